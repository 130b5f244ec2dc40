"""Certificate: what is promised of direct and retrieved answers together, and what a promise would need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.intervals import clopper_pearson_lower

MOST = 10_000_000  # answers; beyond that nothing is promised in earnest
THRESHOLDS = 60  # tested one after the other, at most
NEVER = 1.1  # a threshold above every confidence: retrieval for everything


class JointPoint(BaseModel):
    """A threshold below which retrieval answers, and what is promised of all answers given.

    ``certified`` says that the precision of direct and retrieved answers together is at least
    ``target_precision`` with probability 1 − ``delta`` over the draw of the certifying questions, for this
    model over this index. ``bound`` is the exact lower bound at this threshold alone, from the ``n`` answers
    given. ``coverage`` is the share of the questions answered at all, ``direct`` the share answered without
    retrieval. An uncertified point holds the surest threshold there was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_precision: float
    certified: bool
    threshold: float
    bound: float
    n: int
    precision: float | None
    coverage: float
    direct: float
    delta: float
    needed: (
        int | None
    )  # answers that would certify it at the precision observed; None: more would not help


class Outcomes(BaseModel):
    """What became of questions both ways, aligned: the model's confidence, whether its answer is right, and
    whether the retrieved answer is (None: retrieval refused)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: tuple[float, ...]
    direct: tuple[bool, ...]
    retrieved: tuple[bool | None, ...]


def certify_jointly(
    target: float, fitting: Outcomes, certifying: Outcomes, delta: float
) -> JointPoint:
    """The threshold that answers most directly with a precision of ``target`` certified for all answers.

    Fixed-sequence testing (Learn then Test, Angelopoulos et al. 2021), as for direct answers: the sequence
    of thresholds comes from the ``fitting`` questions, each is tested at level δ on the ``certifying`` ones,
    until one fails.
    """
    counts = _Counts(certifying)
    certified: float | None = None
    surest, most = NEVER, -1.0
    for threshold in joint_grid(fitting, delta):
        bound = clopper_pearson_lower(*counts.right_and_given(threshold), delta)
        if bound > most:
            surest, most = threshold, bound
        if bound < target:
            break
        certified = threshold
    threshold = surest if certified is None else certified
    right, given = counts.right_and_given(threshold)
    precision = right / given if given else None
    return JointPoint(
        target_precision=target,
        certified=certified is not None,
        threshold=threshold,
        bound=clopper_pearson_lower(right, given, delta),
        n=given,
        precision=precision,
        coverage=given / counts.n if counts.n else 0.0,
        direct=counts.above(threshold) / counts.n if counts.n else 0.0,
        delta=delta,
        needed=None if precision is None else answers_needed(precision, target, delta),
    )


def joint_grid(fitting: Outcomes, delta: float) -> list[float]:
    """The thresholds in the order of their testing, from the surest on the fitting questions down to always
    answering directly."""
    values = sorted({*fitting.confidence}, reverse=True)
    if not values:
        return []
    if len(values) > THRESHOLDS:
        values = [
            values[round(i * (len(values) - 1) / (THRESHOLDS - 1))] for i in range(THRESHOLDS)
        ]
    grid = [NEVER, *values]
    counts = _Counts(fitting)
    bounds = [clopper_pearson_lower(*counts.right_and_given(t), delta) for t in grid]
    return grid[bounds.index(max(bounds)) :]


class _Counts:
    """How many answers are given, and how many of them are right, at a threshold."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.n = len(outcomes.confidence)
        self._confidence = np.asarray(outcomes.confidence, dtype=float)
        self._direct = np.array(outcomes.direct, dtype=bool)
        self._given = np.array([one is not None for one in outcomes.retrieved], dtype=bool)
        self._right = np.array([one is True for one in outcomes.retrieved], dtype=bool)

    def above(self, threshold: float) -> int:
        return int((self._confidence >= threshold).sum())

    def right_and_given(self, threshold: float) -> tuple[int, int]:
        above = self._confidence >= threshold
        right = int(self._direct[above].sum() + self._right[~above].sum())
        return right, int(above.sum() + self._given[~above].sum())


def answers_needed(precision: float, target: float, delta: float) -> int | None:
    """How many answers of this precision certify ``target`` at level δ by the exact binomial test.

    None where no number does: the precision is not above the target.
    """
    if precision <= target:
        return None

    def enough(n: int) -> bool:
        return clopper_pearson_lower(int(precision * n), n, delta) >= target

    high = 1
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    # Rounding down the right answers makes the test jagged: from the first power of two on it is passed for
    # good but for a few answers, so halving finds a number to within those.
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def questions_needed(
    curve: Sequence[tuple[float, float, float]], target: float, delta: float
) -> int | None:
    """How many certifying questions would certify ``target`` for direct answers, if precision and coverage
    stayed as on ``curve`` (threshold, coverage, risk); None where no threshold reaches the target."""
    found = [
        answers / coverage
        for _, coverage, risk in curve
        if coverage > 0 and (answers := answers_needed(1 - risk, target, delta)) is not None
    ]
    return round(min(found)) if found else None
