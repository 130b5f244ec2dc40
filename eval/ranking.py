"""How well a confidence ranks: AUROC, AURC, AUGRC, PRR, AP and calibration, with intervals.

What training needs (AUROC, AURC, ECE, Brier) is in training.selective; here are the measures that only
a comparison needs. ``confidence`` and ``correct`` are aligned, one entry a question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import percentile_interval
from training.selective import aurc, auroc, brier, ece

Ranking = Callable[[Sequence[float], Sequence[bool]], float]


def _tied_right(
    confidence: Sequence[float], correct: Sequence[bool]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both by falling confidence, correctness averaged over ties (their expected order)."""
    scores = np.asarray(confidence, dtype=float)
    right = np.asarray(correct, dtype=float)
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    _, group = np.unique(scores, return_inverse=True)
    means = np.bincount(group, right) / np.bincount(group)
    return scores, means[group]


def augrc(confidence: Sequence[float], correct: Sequence[bool]) -> float:
    """Area under the generalised risk–coverage curve (Traub et al. 2024): the mean over k of W(k)/N,
    the wrong answers among the k most confident as a share of all questions."""
    if len(confidence) == 0:
        return float("nan")
    _, right = _tied_right(confidence, correct)
    return float(np.cumsum(1 - right).mean() / len(right))


def prr(confidence: Sequence[float], correct: Sequence[bool]) -> float:
    """Prediction rejection ratio (LM-Polygraph, Vashurin et al. 2025): (PRA − random) / (oracle − random).

    PRA is the mean over k = 1…N of the accuracy among the k most confident; random ranks by chance,
    the oracle puts every right answer first. 1 is the oracle, 0 chance; NaN with one class only.
    """
    n = len(confidence)
    right = np.asarray(correct, dtype=float)
    if n == 0 or right.min() == right.max():
        return float("nan")
    k = np.arange(1, n + 1)
    _, tied = _tied_right(confidence, correct)
    oracle = np.cumsum(np.sort(right)[::-1]) / k
    area, best, chance = (np.cumsum(tied) / k).mean(), oracle.mean(), right.mean()
    return float((area - chance) / (best - chance))


def average_precision(confidence: Sequence[float], correct: Sequence[bool]) -> float:
    """AP of correctness ranked by confidence (R-Tuning, Zhang et al. 2024): Σ (Rₖ − Rₖ₋₁) Pₖ over distinct
    thresholds, ties answered together, as scikit-learn has it. NaN without a right answer."""
    right = np.asarray(correct, dtype=float)
    if right.sum() == 0:
        return float("nan")
    scores = np.asarray(confidence, dtype=float)
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    hits = np.cumsum(right)[ends]
    gained = np.diff(hits, prepend=0.0) / right.sum()
    return float((gained * hits / (ends + 1)).sum())


RANKINGS: dict[str, Ranking] = {
    "auroc": auroc,
    "aurc": aurc,
    "augrc": augrc,
    "prr": prr,
    "ap": average_precision,
}
PROBABILITIES: dict[str, Ranking] = {"ece": ece, "brier": brier}


def ranking_figures(
    confidence: Sequence[float],
    correct: Sequence[bool],
    draws: NDArray[np.float64],
    *,
    confidence_level: float = 0.95,
    probability: bool = False,
) -> dict[str, Any]:
    """Every measure with its bootstrap interval; ``draws`` are the resamples of eval.bootstrap.

    ECE and Brier are given only where the confidence is a ``probability``.
    """
    scores = np.asarray(confidence, dtype=float)
    right = np.asarray(correct, dtype=bool)
    functions = RANKINGS | (PROBABILITIES if probability else {})
    figures: dict[str, Any] = {"n": len(scores)}
    samples: dict[str, list[float]] = {name: [] for name in functions}
    rows = np.arange(len(scores))
    for draw in draws:
        chosen = np.repeat(rows, draw.astype(int))
        some_scores, some_right = scores[chosen], right[chosen]
        for name, function in functions.items():
            samples[name].append(_defined(function, some_scores, some_right))
    for name, function in functions.items():
        value = _defined(function, scores, right)
        figures[name] = value if np.isfinite(value) else None
        figures[f"{name}_interval"] = percentile_interval(samples[name], confidence_level)
    return figures


def _defined(function: Ranking, scores: Any, right: Any) -> float:
    return function(scores, right) if len(scores) else float("nan")
