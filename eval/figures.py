"""The figures of one arm: every metric with its interval and what it was counted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import percentile_interval, quantile_interval
from eval.counts import count, resampled
from eval.metrics import COMPOSITES, SHARES
from training.intervals import wilson


def arm_figures(
    rows: NDArray[np.float64], draws: NDArray[np.float64], *, confidence: float = 0.95
) -> dict[str, Any]:
    """The figures of indicator rows (eval.counts): shares with Wilson intervals, the others with
    bootstrapped ones. A figure without anything to count is None, as is its interval.

    ``<share>_n`` is the number of questions a share was taken of.
    """
    c = count(rows)
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
    for name, share in SHARES.items():
        successes, trials = int(share.successes(c)), int(share.trials(c))
        figures[name] = successes / trials if trials else None
        figures[f"{name}_interval"] = wilson(successes, trials, confidence) if trials else None
        figures[f"{name}_n"] = trials
    again = resampled(rows, draws)
    for name, function in COMPOSITES.items():
        value = function(c)
        figures[name] = value if np.isfinite(value) else None
        figures[f"{name}_interval"] = (
            percentile_interval(function(again), confidence) if np.isfinite(value) else None
        )
    return figures


def share(successes: int, trials: int, confidence: float) -> dict[str, Any]:
    """A proportion with its Wilson interval and what it was taken of; None where that is nothing."""
    return {
        "value": successes / trials if trials else None,
        "interval": wilson(successes, trials, confidence) if trials else None,
        "n": trials,
    }


def latency_figures(times: Sequence[float], *, confidence: float = 0.95) -> dict[str, Any]:
    """p50 and p95 in milliseconds with distribution-free intervals; None where nothing was timed."""
    figures: dict[str, Any] = {"latency_n": len(times)}
    for name, q in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        figures[name] = float(np.quantile(times, q)) if len(times) else None
        figures[f"{name}_interval"] = quantile_interval(times, q, confidence)
    return figures
