"""The certificate of two routes: direct answers, and retrieved ones where those are not given.

The probability δ of a broken promise is shared out: ``RETRIEVED_SHARE`` of it to the retrieved answers, the
rest to the direct ones. Both parts keep the target with probability 1 − δ, and so does every mixture of them,
whatever a request's ``fallback`` or the share of questions that are looked up.

Which questions are looked up depends on the direct threshold, which the same data chose. So a threshold on
retrieved answers passes only where it does over every such choice: all questions, and those that each
threshold of the direct sequence leaves (an intersection–union test, which needs no correction).
"""

from __future__ import annotations

from dataclasses import dataclass

from training.attempt import OperatingPoint, RetrievedPoint
from training.calibrate import CalibrationSettings
from training.certificate import (
    NEVER,
    Answers,
    closed_strata,
    direct_point,
    grid_for,
    wanted,
)
from training.intervals import clustered_lower
from training.selective import spread

RETRIEVED_SHARE = 0.2  # of δ: retrieved answers are many and mostly right, so that little is enough
DEFERRALS = 8  # direct thresholds whose remainders are looked at


@dataclass(frozen=True)
class LookedUp:
    """Retrieved and direct answers to the same questions."""

    retrieved: Answers
    direct: Answers


def routed_points(
    fitting: Answers,
    certifying: Answers,
    looked_up: tuple[LookedUp, LookedUp],
    settings: CalibrationSettings,
) -> list[OperatingPoint]:
    """One point per target and profile, for both routes together.

    ``fitting`` and ``certifying`` are the direct answers to all calibration questions; ``looked_up`` holds,
    of a part of either, the retrieved answers as well. Where direct answers cannot be certified but
    retrieved ones can, none is given directly; where retrieved ones cannot be, ``retrieved`` is None.
    """
    return [
        _point(name, target, fitting, certifying, looked_up, settings.delta)
        for name, target in wanted(settings).items()
    ]


def _point(
    name: str,
    target: float,
    fitting: Answers,
    certifying: Answers,
    looked_up: tuple[LookedUp, LookedUp],
    delta: float,
) -> OperatingPoint:
    share = RETRIEVED_SHARE * delta
    direct = direct_point(name, target, fitting, certifying, delta - share)
    retrieved = certify_retrieved(target, fitting, *looked_up, share)
    update: dict[str, object] = {"delta": delta, "retrieved": retrieved}
    if retrieved is not None and not direct.certified:
        update |= {"certified": True, "threshold": NEVER, "n": 0, "coverage": 0.0}
    return direct.model_copy(update=update)


def certify_retrieved(
    target: float, direct: Answers, fitting: LookedUp, certifying: LookedUp, delta: float
) -> RetrievedPoint | None:
    """The lowest threshold on retrieved answers that keeps ``target`` whatever is answered directly.

    ``direct`` are the direct answers of the fitting questions, by which the direct thresholds go.
    """
    closed = closed_strata(target, direct)
    scale = certifying.retrieved.n / max(1, fitting.retrieved.n)
    sequence = grid_for(target, direct, delta)
    thresholds = [NEVER, *(sequence[i] for i in spread(len(sequence), DEFERRALS))]
    left = [~certifying.direct.above(t, closed) for t in thresholds]
    passed: float | None = None
    for threshold in grid_for(target, fitting.retrieved, delta, scale=scale):
        given = certifying.retrieved.above(threshold)
        bounds = (clustered_lower(certifying.retrieved.tally(given & part), delta) for part in left)
        if any(bound < target for bound in bounds):
            break
        passed = threshold
    if passed is None:
        return None
    given = certifying.retrieved.above(passed)
    return RetrievedPoint(
        threshold=passed, certified=True, n=int(given.sum()), coverage=float(given.mean())
    )
