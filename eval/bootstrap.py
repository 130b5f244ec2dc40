"""Bootstrap: percentile intervals by resampling entities, not questions.

Questions about one entity stand or fall together (and one fact is asked in two languages), so whole
entities are drawn (cluster bootstrap, Davison & Hinkley 1997, §3.8). A resample is a row of weights:
how often each question is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]


def weights(clusters: Sequence[str], resamples: int, seed: int) -> NDArray[np.float64]:
    """(resamples, questions): how often each question was drawn, whole clusters at a time.

    It depends on which questions share a cluster, not on the clusters' names; the same seed gives
    the same resamples, so that two arms on the same questions are compared on the same draws.
    """
    ids: dict[str, int] = {}
    member = np.array([ids.setdefault(c, len(ids)) for c in clusters], dtype=int)
    if not ids:
        return np.zeros((resamples, 0))
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=resamples)
    return np.asarray(draws[:, member], dtype=float)


def percentile_interval(values: Any, confidence: float = 0.95) -> Interval | None:
    """The central share ``confidence`` of resampled values; None where hardly any is defined."""
    found = np.asarray(values, dtype=float)
    found = found[np.isfinite(found)]
    if len(found) < 20:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return (float(low), float(high))


def quantile_interval(
    values: Sequence[float], q: float, confidence: float = 0.95
) -> Interval | None:
    """A distribution-free interval of the q-quantile from order statistics (Conover 1999, §3.2):
    the ranks between which a Binomial(n, q) count lies. None without values."""
    from scipy.stats import binom

    n = len(values)
    if n == 0:
        return None
    ordered = np.sort(np.asarray(values, dtype=float))
    low, high = binom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], n, q)
    return (float(ordered[max(0, int(low) - 1)]), float(ordered[min(n - 1, int(high))]))
