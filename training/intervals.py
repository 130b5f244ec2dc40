"""Confidence intervals of proportions; with the entity as the unit where questions share one.

Questions about one entity stand or fall together, so that n of them weigh less than n independent ones. The
interval of clustered questions is that of an effective sample size, n divided by the design effect (Kish
1965), as Korn & Graubard (1998) have it for the exact interval and Dean & Pagano (2015) for Wilson's.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

# Of how many mixed outcomes (p (1 − p) summed over answers) the assumption is worth that an entity's
# questions stand or fall together, against what is observed: with hardly an error nothing speaks against it.
PRIOR = 2.0


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Wilson score interval (Wilson 1927); (0, 1) where n is 0."""
    if n == 0:
        return (0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = p + z * z / (2 * n)
    spread = z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    scale = 1 + z * z / n
    return (max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def clopper_pearson_lower(successes: float, n: float, delta: float = 0.05) -> float:
    """One-sided exact lower bound (Clopper & Pearson 1934): p ≥ bound with probability 1 − δ.

    0 where there is no success, n = 0 included. An effective sample size need not be whole.
    """
    if successes == 0:
        return 0.0
    return float(betaincinv(successes, n - successes + 1, delta))


class Tally(NamedTuple):
    """Outcomes by cluster: of ``trials[i]`` in the i-th cluster ``successes[i]`` succeeded."""

    successes: NDArray[np.float64]
    trials: NDArray[np.float64]

    @property
    def total(self) -> tuple[float, float]:
        """Successes and trials of all clusters."""
        return float(self.successes.sum()), float(self.trials.sum())


def tally(outcomes: Sequence[Any], clusters: Sequence[Hashable]) -> Tally:
    """Count boolean ``outcomes`` by cluster; the two sequences are aligned."""
    if len(outcomes) != len(clusters):
        raise ValueError(f"{len(outcomes)} outcomes for {len(clusters)} clusters")
    numbers: dict[Hashable, int] = {}
    members = np.array([numbers.setdefault(c, len(numbers)) for c in clusters], dtype=int)
    hits = np.asarray(outcomes, dtype=float)
    return Tally(
        np.bincount(members, hits, minlength=len(numbers)).astype(float),
        np.bincount(members, minlength=len(numbers)).astype(float),
    )


def design_effect(found: Tally) -> float:
    """By how much clustering widens the variance of the proportion, at least 1 (Kish 1965).

    The linearised variance of the ratio over the binomial one, drawn towards the effect of clusters that
    stand or fall as a whole, Σ m² / Σ m, the more the fewer mixed outcomes there are.
    """
    right, n = found.total
    if n == 0:
        return 1.0
    used = found.trials > 0
    count = int(used.sum())
    p = right / n
    together = float((found.trials**2).sum()) / n
    if together == 1:  # every trial is a cluster of its own
        return 1.0
    spread = float(((found.successes - p * found.trials) ** 2).sum())
    if count > 1:
        spread *= count / (count - 1)
    return max(1.0, (spread + PRIOR * together) / (n * p * (1 - p) + PRIOR))


def effective_size(found: Tally, confidence: float) -> float:
    """How many independent trials the clustered ones are worth for an interval of ``confidence``.

    With few clusters their own spread is uncertain: Student's t takes the place of the normal quantile
    (Korn & Graubard 1998). Never more than the trials there are.
    """
    _, n = found.total
    count = int((found.trials > 0).sum())
    if n == 0:
        return 0.0
    tail = 0.5 + confidence / 2
    ratio = stdtrit(max(n - 1, 1), tail) / stdtrit(max(count - 1, 1), tail)
    return float(n / design_effect(found) * ratio**2)


def clustered_wilson(found: Tally, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Wilson interval at the effective sample size; (0, 1) without trials."""
    right, n = found.total
    if n == 0:
        return (0.0, 1.0)
    size = effective_size(found, confidence)
    return wilson(right / n * size, size, confidence)


def clustered_lower(found: Tally, delta: float = 0.05) -> float:
    """One-sided lower bound at the effective sample size: p ≥ bound with probability 1 − δ; 0 without
    trials."""
    right, n = found.total
    if n == 0:
        return 0.0
    size = effective_size(found, 1 - 2 * delta)
    return clopper_pearson_lower(right / n * size, size, delta)
