"""Curves: what an arm would do at every threshold, and whether its confidence keeps its word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from eval.result import EvaluationResult
from training.intervals import wilson
from training.selective import risk_coverage


class CurvePoint(BaseModel):
    """Direct answers from ``threshold`` up (None: never): what is answered, how well, and what share is
    retrieved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float | None
    coverage: float
    precision: float | None
    precision_lower: float | None  # of the Wilson interval
    retrieval_rate: float = 0.0


def curves(result: EvaluationResult) -> dict[str, list[CurvePoint]]:
    """The curve of every arm that has a confidence to put a threshold on.

    calibrated and calibrated_fallback move the threshold on the model's own answers, so the second
    shows precision and coverage against retrieval cost; the others rank the answers they gave.
    """
    found: dict[str, list[CurvePoint]] = {}
    right = result.attempts_right()
    n, level = len(result.questions), result.settings.confidence
    if right is not None:
        confidence = [a.confidence for a in result.attempts]
        found["calibrated"] = [
            _point(
                p.threshold, round(p.coverage * n), round((1 - p.risk) * p.coverage * n), n, level
            )
            for p in risk_coverage(confidence, right)
        ]
        always = result.arms.get("always_retrieve")
        if always is not None:
            verdicts = [r.verdict for r in always.records]
            found["calibrated_fallback"] = _with_fallback(confidence, right, verdicts, level)
    for name, arm in result.arms.items():
        given = [
            (r.confidence, r.verdict == "correct")
            for r in arm.records
            if r.verdict not in ("refused", "unscored") and r.confidence is not None
        ]
        if name not in found and len({c for c, _ in given}) > 1:
            curve = risk_coverage([c for c, _ in given], [right for _, right in given])
            found[name] = [
                _point(
                    p.threshold,
                    round(p.coverage * len(given)),
                    round((1 - p.risk) * p.coverage * len(given)),
                    n,
                    level,
                )
                for p in curve
            ]
    return {name: thin(curve) for name, curve in found.items() if curve}


def _point(
    threshold: float | None, answered: int, correct: int, n: int, level: float, retrieved: int = 0
) -> CurvePoint:
    return CurvePoint(
        threshold=threshold,
        coverage=answered / n,
        precision=correct / answered if answered else None,
        precision_lower=wilson(correct, answered, level)[0] if answered else None,
        retrieval_rate=retrieved / n,
    )


def _with_fallback(
    confidence: Sequence[float], right: Sequence[bool], retrieved: Sequence[str], level: float
) -> list[CurvePoint]:
    """Below the threshold the outcome is that of retrieval. From never direct to always direct."""
    n = len(confidence)
    order = np.argsort(-np.asarray(confidence), kind="stable")
    given = np.array([v not in ("refused", "unscored") for v in retrieved])[order]
    good = np.array([v == "correct" for v in retrieved])[order]
    direct = np.asarray(right, dtype=bool)[order]
    scores = np.asarray(confidence)[order]
    points = [_point(None, int(given.sum()), int(good.sum()), n, level, n)]
    answered, correct = given[::-1].cumsum()[::-1], good[::-1].cumsum()[::-1]
    right_so_far = direct.cumsum()
    for k in range(1, n + 1):
        if k < n and scores[k] == scores[k - 1]:
            continue  # ties are answered together
        later = (int(answered[k]), int(correct[k])) if k < n else (0, 0)
        points.append(
            _point(
                float(scores[k - 1]),
                k + later[0],
                int(right_so_far[k - 1]) + later[1],
                n,
                level,
                n - k,
            )
        )
    return points


def thin(curve: Sequence[CurvePoint], most: int = 200) -> list[CurvePoint]:
    """At most ``most`` points, ends included: enough for a picture."""
    if len(curve) <= most:
        return list(curve)
    return [curve[round(i * (len(curve) - 1) / (most - 1))] for i in range(most)]


def reliability(
    confidence: Sequence[float], right: Sequence[bool], *, bins: int = 10, level: float = 0.95
) -> list[dict[str, Any]]:
    """The reliability diagram (Guo et al. 2017): per equal-width bin how sure it was, and how right."""
    p = np.asarray(confidence, dtype=float)
    good = np.asarray(right, dtype=bool)
    which = np.minimum((p * bins).astype(int), bins - 1)
    rows = []
    for b in range(bins):
        inside = which == b
        count = int(inside.sum())
        if count:
            rows.append(
                {
                    "low": b / bins,
                    "high": (b + 1) / bins,
                    "n": count,
                    "confidence": float(p[inside].mean()),
                    "accuracy": float(good[inside].mean()),
                    "interval": wilson(int(good[inside].sum()), count, level),
                }
            )
    return rows
