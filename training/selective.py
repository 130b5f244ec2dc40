"""Selective prediction: how well a confidence ranks right answers above wrong ones.

``confidence`` and ``correct`` are aligned sequences, one entry a question; ties in confidence are
answered together. Risk is the share of wrong answers among those given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CurvePoint(NamedTuple):
    """Answering everything with confidence ≥ ``threshold`` gives this coverage and risk."""

    threshold: float
    coverage: float
    risk: float


def spread(n: int, most: int) -> NDArray[np.intp]:
    """At most ``most`` of the places 0 … n − 1, evenly spread, both ends included."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.intp)


def _sorted(
    confidence: Sequence[float] | NDArray[np.float64],
    correct: Sequence[bool] | NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores = np.asarray(confidence, dtype=float)
    right = np.asarray(correct, dtype=float)
    if scores.shape != right.shape:
        raise ValueError(f"{len(scores)} confidences for {len(right)} outcomes")
    order = np.argsort(-scores, kind="stable")
    return scores[order], right[order]


def risk_coverage(
    confidence: Sequence[float] | NDArray[np.float64],
    correct: Sequence[bool] | NDArray[np.bool_],
    *,
    most: int | None = None,
) -> list[CurvePoint]:
    """The risk–coverage curve (El-Yaniv & Wiener 2010), one point per distinct confidence, or ``most`` of
    them. A confidence of −∞ stands for no answer: it counts for the coverage alone."""
    scores, right = _sorted(confidence, correct)
    n = len(scores)
    if n == 0:
        return []
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    ends = ends[scores[ends] != -np.inf]
    if most is not None:
        ends = ends[spread(len(ends), most)]
    answered = ends + 1
    wrong = np.cumsum(1 - right)[ends]
    return [
        CurvePoint(float(scores[e]), float(a / n), float(w / a))
        for e, a, w in zip(ends, answered, wrong, strict=True)
    ]


def aurc(confidence: Sequence[float], correct: Sequence[bool]) -> float:
    """Area under the risk–coverage curve: the mean over k of the risk among the k most confident
    (Geifman & El-Yaniv 2017). Ties are taken at their expected order."""
    scores, right = _sorted(confidence, correct)
    if len(scores) == 0:
        return float("nan")
    _, group = np.unique(scores, return_inverse=True)
    smoothed = (np.bincount(group, right) / np.bincount(group))[group]
    k = np.arange(1, len(right) + 1)
    return float((np.cumsum(1 - smoothed) / k).mean())


def auroc(confidence: Sequence[float], correct: Sequence[bool]) -> float:
    """P(a right answer is ranked above a wrong one), ties counting half; NaN with one class only."""
    from scipy.stats import rankdata

    right = np.asarray(correct, dtype=bool)
    positives, negatives = int(right.sum()), int((~right).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    ranks = rankdata(np.asarray(confidence, dtype=float))
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def ece(probability: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error over equal-width bins (Guo et al. 2017)."""
    p = np.asarray(probability, dtype=float)
    right = np.asarray(correct, dtype=float)
    if len(p) == 0:
        return float("nan")
    which = np.minimum((p * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - p[inside].mean())
    return float(total / len(p))


def brier(probability: Sequence[float], correct: Sequence[bool]) -> float:
    """Mean squared error of the probability (Brier 1950)."""
    p = np.asarray(probability, dtype=float)
    return float(((p - np.asarray(correct, dtype=float)) ** 2).mean())


def balanced_threshold(
    confidence: Sequence[float], correct: Sequence[bool], precision: float
) -> float | None:
    """The lowest threshold at which the precision would be at least ``precision`` if right and wrong answers
    were equally many: each is weighted by the other kind's number. None where no threshold reaches it."""
    scores, right = _sorted(confidence, correct)
    if not 0 < right.sum() < len(right):
        return None
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    kept = np.cumsum(right)[ends] / right.sum()
    passed = np.cumsum(1 - right)[ends] / (1 - right).sum()
    enough = kept / (kept + passed) >= precision
    return float(scores[ends[enough.nonzero()[0].max()]]) if enough.any() else None


def point_at_precision(
    confidence: Sequence[float], correct: Sequence[bool], precision: float
) -> CurvePoint | None:
    """The point with the largest coverage at which the precision of the given answers is at least
    ``precision``; None where no threshold reaches it."""
    reached = [p for p in risk_coverage(confidence, correct) if 1 - p.risk >= precision]
    return reached[-1] if reached else None


def coverage_at_precision(
    confidence: Sequence[float], correct: Sequence[bool], precision: float
) -> float:
    """The coverage of ``point_at_precision``; 0 where there is none."""
    point = point_at_precision(confidence, correct, precision)
    return point.coverage if point else 0.0
