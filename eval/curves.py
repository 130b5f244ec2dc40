"""Curves: what an arm would do at every threshold, and whether its confidence keeps its word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eval.figures import entity_of
from eval.result import EvaluationResult
from training.intervals import Tally, clustered_wilson, tally


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
    level = result.settings.confidence
    _, members = np.unique([entity_of(q) for q in result.questions], return_inverse=True)
    if right is not None:
        direct = _Answers(
            np.array([a.confidence for a in result.attempts], dtype=float),
            np.asarray(right, dtype=bool),
            members,
        )
        found["calibrated"] = [direct.point(t, level) for t in direct.thresholds()]
        always = result.arms.get("always_retrieve")
        if always is not None:
            verdicts = [r.verdict for r in always.records]
            thresholds = [None, *direct.thresholds()]
            found["calibrated_fallback"] = [direct.point(t, level, verdicts) for t in thresholds]
    for name, arm in result.arms.items():
        ranked = [
            r.verdict not in ("refused", "unscored") and r.confidence is not None
            for r in arm.records
        ]
        answers = _Answers(
            np.array(
                [
                    r.confidence if use else -np.inf
                    for r, use in zip(arm.records, ranked, strict=True)
                ],
                dtype=float,
            ),
            np.array([r.verdict == "correct" for r in arm.records], dtype=bool),
            members,
        )
        if name not in found and len(answers.values()) > 1:
            found[name] = [answers.point(t, level) for t in answers.thresholds()]
    return {name: curve for name, curve in found.items() if curve}


@dataclass(frozen=True)
class _Answers:
    """The confidence of every question's answer (−∞: none), whether it is right, and its entity's number."""

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    members: NDArray[np.intp]

    def values(self) -> list[float]:
        """The distinct confidences, falling."""
        finite = self.confidence[np.isfinite(self.confidence)]
        return [float(value) for value in np.unique(finite)[::-1]]

    def thresholds(self) -> list[float]:
        """As many of the values as a picture needs."""
        return thin(self.values())

    def point(
        self, threshold: float | None, level: float, retrieved: Sequence[str] | None = None
    ) -> CurvePoint:
        """Answers from ``threshold`` up (None: none); below it those of retrieval, by their verdicts."""
        n = len(self.confidence)
        above = np.zeros(n, bool) if threshold is None else self.confidence >= threshold
        given, good = above.copy(), above & self.right
        if retrieved is not None:
            given |= ~above & np.array([v not in ("refused", "unscored") for v in retrieved])
            good |= ~above & np.array([v == "correct" for v in retrieved])
        answered, correct = int(given.sum()), int(good.sum())
        by_entity = Tally(
            np.bincount(self.members, good).astype(float),
            np.bincount(self.members, given).astype(float),
        )
        return CurvePoint(
            threshold=threshold,
            coverage=answered / n,
            precision=correct / answered if answered else None,
            precision_lower=clustered_wilson(by_entity, level)[0] if answered else None,
            retrieval_rate=0.0 if retrieved is None else int((~above).sum()) / n,
        )


def thin(values: Sequence[float], most: int = 200) -> list[float]:
    """At most ``most`` values, ends included: enough for a picture."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def reliability(
    confidence: Sequence[float],
    right: Sequence[bool],
    clusters: Sequence[str],
    *,
    bins: int = 10,
    level: float = 0.95,
) -> list[dict[str, Any]]:
    """The reliability diagram (Guo et al. 2017): per equal-width bin how sure it was, and how right.

    ``clusters`` names the entity of each question, by which the intervals count.
    """
    p = np.asarray(confidence, dtype=float)
    good = np.asarray(right, dtype=bool)
    entities = np.asarray(clusters, dtype=str)
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
                    "interval": clustered_wilson(
                        tally(good[inside].tolist(), entities[inside].tolist()), level
                    ),
                }
            )
    return rows
