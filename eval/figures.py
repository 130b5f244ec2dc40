"""The figures of one arm: every metric with its interval and what it was counted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import percentile_interval, quantile_interval
from eval.counts import Counts, clustered, count, resampled
from eval.metrics import COMPOSITES, SHARES
from kg_builder.question import Question
from training.intervals import Tally, clustered_wilson, tally


def arm_figures(
    rows: NDArray[np.float64],
    clusters: Sequence[str],
    draws: NDArray[np.float64],
    *,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """The figures of indicator rows (eval.counts): shares with Wilson intervals at the effective number of
    questions, ``clusters`` naming the entity of each, the others with bootstrapped ones. A figure
    without anything to count is None, as is its interval.

    ``<share>_n`` is the number of questions a share was taken of.
    """
    c = count(rows)
    entities = clustered(rows, clusters)
    figures: dict[str, Any] = {
        "n": c.n,
        "answered": c.answered,
        "correct": c.correct,
        "wrong": c.wrong - c.ambiguous,
        "ambiguous": c.ambiguous,
        "refused": c.refused,
        "unscored": c.unscored,
        "retrieved": c.retrieved,
    }
    for name in SHARES:
        found = share_of(name, c, entities, confidence)
        figures |= {name: found["value"], f"{name}_interval": found["interval"]}
        figures[f"{name}_n"] = found["n"]
    again = resampled(rows, draws)
    for name, function in COMPOSITES.items():
        value = function(c)
        figures[name] = value if np.isfinite(value) else None
        figures[f"{name}_interval"] = (
            percentile_interval(function(again), confidence) if np.isfinite(value) else None
        )
    return figures


def share_of(name: str, c: Counts, entities: Counts, confidence: float) -> dict[str, Any]:
    """A share of eval.metrics as ``share`` gives it: of the counts ``c``, whose parts by entity are
    ``entities``."""
    one = SHARES[name]
    successes, trials = int(one.successes(c)), int(one.trials(c))
    found = Tally(one.successes(entities), one.trials(entities))
    return {
        "value": successes / trials if trials else None,
        "interval": clustered_wilson(found, confidence) if trials else None,
        "n": trials,
    }


def share(outcomes: Sequence[bool], clusters: Sequence[str], confidence: float) -> dict[str, Any]:
    """The proportion of true ``outcomes`` with its Wilson interval, ``clusters`` naming the entity of each,
    and what it was taken of; None where that is nothing."""
    n = len(outcomes)
    return {
        "value": sum(outcomes) / n if n else None,
        "interval": clustered_wilson(tally(outcomes, clusters), confidence) if n else None,
        "n": n,
    }


def entity_of(question: Question) -> str:
    """The unit by which intervals count: questions about one entity stand or fall together."""
    return question.subject_id or question.id


def latency_figures(times: Sequence[float], *, confidence: float = 0.95) -> dict[str, Any]:
    """p50 and p95 in milliseconds with distribution-free intervals; None where nothing was timed."""
    figures: dict[str, Any] = {"latency_n": len(times)}
    for name, q in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        figures[name] = float(np.quantile(times, q)) if len(times) else None
        figures[f"{name}_interval"] = quantile_interval(times, q, confidence)
    return figures
