"""Drift: do the questions of today still look like those the bundle was calibrated on?

A bundle's operating points are points of its calibration's survival function, P(confidence ≥ t) =
coverage. The same share among the last questions must be near it: by the Dvoretzky–Kiefer–Wolfowitz
inequality (with Massart's constant) two empirical distributions of n and m draws from one distribution
differ anywhere by more than √(ln(2/α)/2n) + √(ln(2/α)/2m) with probability below 2α.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING

from pydantic import BaseModel

from training.attempt import Attempt, OperatingPoint

if TYPE_CHECKING:
    from service.desk import Ticket
    from service.router import Outcome

logger = logging.getLogger(__name__)

WINDOW = 1000
ENOUGH = 200
EVERY = 20  # judging walks through the window: not with every question
ALPHA = 0.001


class Drift(BaseModel):
    """How far the last ``n`` questions are from the calibration, and how far they may be."""

    n: int
    expected: float
    observed: float
    distance: float
    tolerance: float
    drifted: bool


class DriftAlarm:
    """Watches the confidences of attempts. ``state`` is None until there are enough."""

    def __init__(self, window: int = WINDOW, enough: int = ENOUGH, alpha: float = ALPHA) -> None:
        self._attempts: deque[Attempt] = deque(maxlen=window)
        self._enough = enough
        self._alpha = alpha
        self._model = ""
        self._points: list[OperatingPoint] = []
        self._unjudged = 0
        self.state: Drift | None = None

    def answered(self, ticket: Ticket, outcome: Outcome) -> None:
        if outcome.attempt is None:
            return
        if outcome.answer.model != self._model:  # a new bundle has a calibration of its own
            self._model = outcome.answer.model
            self._attempts.clear()
            self.state = None
            offered = ticket.backend.points
            points = [*offered.profiles.values(), *(c.point for c in offered.certified)]
            self._points = [p for p in points if p.coverage is not None and p.n > 0]
        self._attempts.append(outcome.attempt)
        self._unjudged += 1
        due = self.state is None or self._unjudged >= EVERY
        if due and len(self._attempts) >= self._enough and self._points:
            self._unjudged = 0
            self._judge()

    def _judge(self) -> None:
        n = len(self._attempts)
        worst: Drift | None = None
        for point in self._points:
            assert point.coverage is not None
            observed = sum(point.admits(attempt) for attempt in self._attempts) / n
            distance = abs(observed - point.coverage)
            tolerance = self._radius(n) + self._radius(point.n)
            drift = Drift(
                n=n,
                expected=point.coverage,
                observed=observed,
                distance=distance,
                tolerance=tolerance,
                drifted=distance > tolerance,
            )
            if worst is None or distance - tolerance > worst.distance - worst.tolerance:
                worst = drift
        assert worst is not None
        before = self.state is not None and self.state.drifted
        if worst.drifted and not before:
            logger.warning(
                "the questions have drifted from the calibration: %.0f%% are answered directly where "
                "%.0f%% were expected; calibrate again on the question log",
                100 * worst.observed,
                100 * worst.expected,
            )
        self.state = worst

    def _radius(self, n: int) -> float:
        return math.sqrt(math.log(2 / self._alpha) / (2 * n))
