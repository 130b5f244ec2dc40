from __future__ import annotations

import itertools
import random
from typing import cast

import pytest

from service.backend import Backend
from service.desk import Desk, Ticket
from service.drift import DriftAlarm
from service.requests import QaRequest
from service.router import Outcome
from service.settings import Settings
from tests.service.world import CAPITAL, CURVE, SmallModel


async def feed(alarm: DriftAlarm, confidences: list[float], model: str = "small-1") -> None:
    backend = Backend(SmallModel(), None, Settings())
    desk = Desk(Settings(), backend)
    ticket = desk.prepare(QaRequest(question=CAPITAL))
    outcome = await desk.answer(ticket)
    backend.close(5)
    for confidence in confidences:
        assert outcome.attempt is not None
        attempt = outcome.attempt.model_copy(update={"confidence": confidence})
        answer = outcome.answer.model_copy(update={"model": model})
        alarm.answered(ticket, Outcome(answer, attempt, None, ()))


def calibration_draw(rng: random.Random) -> float:
    """A confidence from the distribution that CURVE describes."""
    u = rng.random()
    points = [(0.0, 1.0), *((t, c) for _, t, c in CURVE), (1.0, 0.0)]
    for (t0, c0), (t1, c1) in itertools.pairwise(points):
        if c1 <= u < c0:
            return t0 + (t1 - t0) * (c0 - u) / (c0 - c1)
    return 1.0


async def test_questions_like_the_calibrations_raise_no_alarm() -> None:
    rng = random.Random(7)
    alarm = DriftAlarm()
    await feed(alarm, [calibration_draw(rng) for _ in range(2000)])
    assert alarm.state is not None
    assert alarm.state.n == 1000
    assert not alarm.state.drifted


async def test_questions_that_are_harder_raise_it_once(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(7)
    alarm = DriftAlarm()
    await feed(alarm, [0.5 * calibration_draw(rng) for _ in range(1000)])
    assert alarm.state is not None
    assert alarm.state.drifted
    assert alarm.state.observed < alarm.state.expected
    assert len(caplog.records) == 1


async def test_a_few_questions_say_nothing_and_a_new_bundle_starts_anew() -> None:
    alarm = DriftAlarm()
    await feed(alarm, [0.01] * 199)
    assert alarm.state is None
    await feed(alarm, [0.01] * 10)
    assert alarm.state is not None
    await feed(alarm, [0.01], model="small-2")
    assert alarm.state is None


def test_retrieved_without_the_model_does_not_count() -> None:
    alarm = DriftAlarm()
    alarm.answered(cast(Ticket, None), Outcome(cast("object", None), None, None, ()))  # type: ignore[arg-type]
    assert alarm.state is None
