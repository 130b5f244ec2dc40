"""Certificate: which thresholds keep a promised precision, with the entity as the unit.

Learn then Test by fixed sequence (Angelopoulos et al. 2021): a sequence of thresholds, fixed on the fitting
questions, is tested on the certifying ones from the surest on, each at level δ, until one fails; the last
that passed is certified, and the promise breaks with a probability of at most δ. A test is the exact
binomial one at the effective number of answers (training.intervals), since questions about one entity
stand or fall together. What is promised is the target: the bound at a threshold that the same data chose
is no promise.

COIN (arXiv 2506.20178) takes the lowest threshold whose bound passes, whatever became of those before it;
LEC (arXiv 2512.01556) bounds the expected share of errors, over one model or over two that are routed. Both
promise less: bench/promise.py sets them beside this on the same draws.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.attempt import OperatingPoint
from training.calibrate import CalibrationSettings, best_guess
from training.intervals import Tally, clopper_pearson_lower, clustered_lower
from training.selective import CurvePoint, risk_coverage

MOST = 10_000_000  # answers; beyond that nothing is promised in earnest
THRESHOLDS = 60  # tested one after the other, at most
NEVER = 1.1  # a threshold above every confidence
HOPELESS = 0.05  # that far below the target on the fitting questions no threshold is tested
DOUBT = 0.2  # a stratum is closed where an upper bound at this level is below the target


@dataclass(frozen=True)
class Answers:
    """Answers to questions, aligned: how confident (−∞: none was given), whether right, the number of the
    question's entity, and its stratum."""

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    members: NDArray[np.intp]
    strata: NDArray[np.str_]

    @classmethod
    def of(
        cls,
        confidence: Sequence[float | None],
        right: Sequence[bool | None],
        entities: Sequence[Hashable],
        strata: Sequence[str] = (),
    ) -> Answers:
        """From plain sequences. A confidence of None stands for no answer; without strata there is one."""
        numbers: dict[Hashable, int] = {}
        return cls(
            np.array([-np.inf if c is None else c for c in confidence], dtype=float),
            np.array([one is True for one in right], dtype=bool),
            np.array([numbers.setdefault(e, len(numbers)) for e in entities], dtype=np.intp),
            np.array(list(strata) or [""] * len(confidence), dtype=str),
        )

    @property
    def n(self) -> int:
        return len(self.confidence)

    def take(self, chosen: NDArray[Any] | Sequence[int]) -> Answers:
        """Those of a mask or of positions."""
        place = np.asarray(chosen, dtype=None if len(chosen) else int)
        return Answers(
            self.confidence[place], self.right[place], self.members[place], self.strata[place]
        )

    def above(self, threshold: float, closed: Sequence[str] = ()) -> NDArray[np.bool_]:
        """Which are given at a threshold, those of ``closed`` strata never."""
        given: NDArray[np.bool_] = self.confidence >= threshold
        return given & ~np.isin(self.strata, closed) if closed else given

    def tally(self, given: NDArray[np.bool_]) -> Tally:
        """Right and given answers by entity."""
        members = self.members[given]
        return Tally(
            np.bincount(members, self.right[given]).astype(float),
            np.bincount(members).astype(float),
        )

    def precision(self, given: NDArray[np.bool_]) -> float | None:
        """Of the given answers, the share that is right."""
        return float(self.right[given].mean()) if given.any() else None


def grid_for(target: float, fitting: Answers, delta: float, *, scale: float = 1.0) -> list[float]:
    """The sequence in which thresholds are tested for ``target``, fixed on the fitting questions.

    It starts where a certifying part ``scale`` times as large would give the surest pass (starting stricter
    would leave too few answers to prove anything) and ends where precision is ``HOPELESS`` below the target.
    """
    points = _curve(fitting)
    if not points:
        return []
    given = fitting.n * scale

    def margin(point: CurvePoint) -> float:
        answered = point.coverage * given
        return clopper_pearson_lower((1 - point.risk) * answered, answered, delta) - target

    start = max(range(len(points)), key=lambda i: margin(points[i]))
    sequence = points[start:]
    end = next((i for i, p in enumerate(sequence) if 1 - p.risk < target - HOPELESS), None)
    return [point.threshold for point in sequence[: None if end is None else max(1, end)]]


def _curve(answers: Answers) -> list[CurvePoint]:
    """The risk–coverage curve in ``THRESHOLDS`` points."""
    return risk_coverage(answers.confidence, answers.right, most=THRESHOLDS)


def closed_strata(target: float, fitting: Answers) -> tuple[str, ...]:
    """The strata whose answers fall short of ``target`` where all together reach it on the fitting
    questions, and those before them in order (bands of less popular subjects, too few of whose answers
    may be there to tell): calibrated on the popular, served to the obscure would else break the promise."""
    reached = [p.threshold for p in _curve(fitting) if 1 - p.risk >= target]
    if not reached:
        return ()
    above = fitting.above(reached[-1])
    strata = sorted({*fitting.strata.tolist()})
    weak = 0
    for place, stratum in enumerate(strata):
        inside = above & (fitting.strata == stratum)
        right, trials = fitting.tally(inside)
        if inside.any() and 1 - clustered_lower(Tally(trials - right, trials), DOUBT) < target:
            weak = place + 1
    return tuple(strata[:weak]) if weak < len(strata) else ()


def certify(
    target: float,
    grid: Sequence[float],
    certifying: Answers,
    delta: float,
    closed: Sequence[str] = (),
) -> float | None:
    """The last threshold of ``grid`` that passes before one fails; None where the first already fails.

    Where strata are closed two populations have to pass, each at level δ (an intersection–union test,
    which costs nothing): what is answered, and everything above the threshold, so that the popular do not
    pay for a threshold at which a mix of all would miss the target.
    """
    passed: float | None = None
    for threshold in grid:
        populations = [certifying.above(threshold, closed)]
        if closed:
            populations.append(certifying.above(threshold))
        if any(clustered_lower(certifying.tally(p), delta) < target for p in populations):
            break
        passed = float(threshold)
    return passed


def direct_point(
    name: str, target: float, fitting: Answers, certifying: Answers, delta: float
) -> OperatingPoint:
    """The point with the most direct answers that certifies ``target``, else the best guess."""
    closed = closed_strata(target, fitting)
    grid = grid_for(target, fitting, delta, scale=certifying.n / max(1, fitting.n))
    threshold = certify(target, grid, certifying, delta, closed)
    if threshold is None:
        parts = [part.take(~np.isin(part.strata, closed)) for part in (fitting, certifying)]
        guess = best_guess(
            target,
            [c for part in parts for c in part.confidence.tolist()],
            [r for part in parts for r in part.right.tolist()],
            delta,
            name,
        )
        open_share = sum(part.n for part in parts) / max(1, fitting.n + certifying.n)
        coverage = (guess.coverage or 0.0) * open_share
        return guess.model_copy(update={"closed": closed, "coverage": coverage})
    given = certifying.above(threshold, closed)
    return OperatingPoint(
        name=name,
        threshold=threshold,
        target_precision=target,
        certified=True,
        n=int(given.sum()),
        coverage=float(given.mean()),
        delta=delta,
        closed=closed,
    )


def wanted(settings: CalibrationSettings) -> dict[str, float]:
    """The precision of every point that a bundle holds, by name: the targets and the profiles."""
    return {f"precision-{t:.2f}": t for t in settings.targets} | settings.profiles


def operating_points(
    fitting: Answers, certifying: Answers, settings: CalibrationSettings
) -> list[OperatingPoint]:
    """One point per target and per profile: certified where the data allow, else a best guess."""
    return [
        direct_point(name, target, fitting, certifying, settings.delta)
        for name, target in wanted(settings).items()
    ]


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
