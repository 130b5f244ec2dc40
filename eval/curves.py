"""Curves: what an arm would do at every threshold, and whether its confidence keeps its word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from eval.figures import entity_of
from eval.result import EvaluationResult
from training.certificate import Answers
from training.intervals import clustered_wilson, tally
from training.selective import spread

MOST = 200  # points of a curve


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
    entities = [entity_of(q) for q in result.questions]
    if right is not None:
        direct = Answers.of([a.confidence for a in result.attempts], right, entities)
        thresholds = _thresholds(direct)
        found["calibrated"] = [_point(direct, t, level) for t in thresholds]
        always = result.arms.get("always_retrieve")
        if always is not None:
            verdicts = [r.verdict for r in always.records]
            found["calibrated_fallback"] = [
                _point(direct, t, level, verdicts) for t in (None, *thresholds)
            ]
    for name, arm in result.arms.items():
        answers = Answers.of(
            [None if r.verdict in ("refused", "unscored") else r.confidence for r in arm.records],
            [r.verdict == "correct" for r in arm.records],
            entities,
        )
        thresholds = _thresholds(answers)
        if name not in found and len(thresholds) > 1:
            found[name] = [_point(answers, t, level) for t in thresholds]
    return {name: curve for name, curve in found.items() if curve}


def _thresholds(answers: Answers) -> list[float]:
    """The distinct confidences, falling: as many of them as a picture needs."""
    values = np.unique(answers.confidence[np.isfinite(answers.confidence)])[::-1]
    return [float(value) for value in values[spread(len(values), MOST)]]


def _point(
    answers: Answers,
    threshold: float | None,
    level: float,
    retrieved: Sequence[str] | None = None,
) -> CurvePoint:
    """Answers from ``threshold`` up (None: none); below it those of retrieval, by their verdicts."""
    above = answers.above(np.inf if threshold is None else threshold)
    given, good = above.copy(), above & answers.right
    if retrieved is not None:
        given |= ~above & np.array([v not in ("refused", "unscored") for v in retrieved])
        good |= ~above & np.array([v == "correct" for v in retrieved])
    answered, correct = int(given.sum()), int(good.sum())
    by_entity = replace(answers, right=good).tally(given)
    return CurvePoint(
        threshold=threshold,
        coverage=answered / answers.n,
        precision=correct / answered if answered else None,
        precision_lower=clustered_wilson(by_entity, level)[0] if answered else None,
        retrieval_rate=0.0 if retrieved is None else int((~above).sum()) / answers.n,
    )


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
