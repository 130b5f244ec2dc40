"""Whether two arms differ on the same questions: McNemar's test, and paired bootstrap differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import Interval, percentile_interval
from eval.counts import Counts, count, resampled


class McNemar(NamedTuple):
    """``gained``: only the second is right; ``lost``: only the first."""

    gained: int
    lost: int
    p_value: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """The exact test on paired outcomes (McNemar 1947, binomial form): under the null hypothesis a
    discordant pair is as likely either way. p = 1 without discordant pairs."""
    from scipy.stats import binomtest

    pairs = list(zip(first, second, strict=True))
    gained = sum(b and not a for a, b in pairs)
    lost = sum(a and not b for a, b in pairs)
    if not gained + lost:
        return McNemar(0, 0, 1.0)
    return McNemar(gained, lost, float(binomtest(gained, gained + lost).pvalue))


class Difference(NamedTuple):
    """second − first."""

    value: float
    interval: Interval | None


def paired_difference(
    figure: Callable[[Counts], Any],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    draws: NDArray[np.float64],
    *,
    confidence: float = 0.95,
) -> Difference:
    """The difference of a figure between two arms' indicator rows on the same questions, with a
    paired bootstrap interval: both arms are resampled by the same draws."""
    values = figure(resampled(second, draws)) - figure(resampled(first, draws))
    return Difference(
        float(figure(count(second)) - figure(count(first))),
        percentile_interval(values, confidence),
    )
