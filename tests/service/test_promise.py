"""One promise for both routes: a precision binds every answer, whichever way it came."""

from __future__ import annotations

from typing import Any

import pytest

from retrieval.evidence import Reading
from service.answer import promise_of
from service.app import create_app
from service.backend import Backend, binding
from service.problems import Problem
from service.retrieval_only import NEVER, RetrievalOnly
from service.router import judge, withheld
from service.seams import Sources
from service.settings import Settings
from tests.service.world import CAPITAL, FATHER, SmallLibrary, SmallModel, client_of
from training.attempt import OperatingPoint, RetrievedPoint

POINT = OperatingPoint(
    name="webqa",
    threshold=0.8,
    target_precision=0.9,
    certified=True,
    n=400,
    coverage=0.5,
    delta=0.1,
)


class GradedLibrary(SmallLibrary):
    """Its readings are as sure as ``confidence``; 90% right takes .7, nothing is 97% right."""

    def __init__(self, confidence: float) -> None:
        super().__init__()
        self.confidence = confidence

    def answer(self, question: str, *, sources: Sources, deadline: float | None) -> Reading:
        found = super().answer(question, sources=sources, deadline=deadline)
        return found.model_copy(update={"confidence": self.confidence})

    def threshold_for(self, precision: float) -> float | None:
        return 0.4 if precision <= 0.7 else 0.7 if precision <= 0.95 else 1.0


async def ask(attempter: Any, library: Any, question: str, **options: object) -> Any:
    async with client_of(create_app(Settings(cache_size=0), attempter, library)) as client:
        return await client.post("/v1/qa", json={"question": question, **options})


@pytest.mark.parametrize(
    ("confidence", "options", "route"),
    [
        (0.8, {}, "retrieval"),
        (0.6, {}, "refused"),  # the default profile promises 90%
        (0.6, {"profile": "chat"}, "retrieval"),  # which promises 70%
        (0.6, {"min_precision": 0.7}, "retrieval"),
        (0.6, {"min_precision": 0.9}, "refused"),
        (0.6, {"min_precision": 0.9, "fallback": "always"}, "refused"),
    ],
)
async def test_a_precision_binds_retrieved_answers_too(
    confidence: float, options: dict[str, object], route: str
) -> None:
    body = (await ask(SmallModel(), GradedLibrary(confidence), FATHER, **options)).json()
    assert body["route"] == route
    if route == "refused":
        assert body["reason"] == "below_precision"
        assert "把握" in body["explanation"]
        assert body["closest"][0]["quote"] == "岳云的父亲是岳飞"
        assert body["promise"] is None
    else:
        assert body["promise"]["part"] == "retrieved"
        assert body["promise"]["basis"] == "calibrated"
        assert body["promise"]["delta"] is None


async def test_a_direct_answer_stands_under_the_certificate() -> None:
    body = (await ask(SmallModel(), SmallLibrary(), CAPITAL, min_precision=0.9)).json()
    assert body["promise"] == {
        "part": "direct",
        "basis": "certified",
        "target_precision": 0.9,
        "delta": 0.05,
    }


async def test_without_a_confidence_nothing_is_promised_and_a_precision_is_not_met() -> None:
    answered = (await ask(SmallModel(), SmallLibrary(), FATHER)).json()
    assert (answered["route"], answered["promise"]["basis"]) == ("retrieval", "none")
    asked = (await ask(SmallModel(), SmallLibrary(), FATHER, min_precision=0.9)).json()
    assert (asked["route"], asked["reason"]) == ("refused", "below_precision")


@pytest.mark.parametrize(("precision", "status"), [(0.9, 200), (0.97, 409)])
async def test_documents_alone_keep_a_precision_as_far_as_the_reader_is_calibrated(
    precision: float, status: int
) -> None:
    response = await ask(RetrievalOnly(), GradedLibrary(0.8), FATHER, min_precision=precision)
    assert response.status_code == status
    if status == 200:
        promise = response.json()["promise"]
        assert (promise["basis"], promise["target_precision"]) == ("calibrated", 0.9)


class Uncertified(SmallModel):
    """Certifies no profile above 70%."""

    def operating_point(
        self, *, profile: str | None, min_precision: float | None
    ) -> OperatingPoint:
        point = super().operating_point(profile=profile, min_precision=min_precision)
        certified = (point.target_precision or 1) <= 0.7
        return point.model_copy(update={"certified": certified})


async def test_a_profile_that_is_not_certified_is_refused_with_what_is() -> None:
    response = await ask(Uncertified(), SmallLibrary(), CAPITAL, profile="strict")
    assert response.status_code == 409
    problem = response.json()
    assert problem["type"] == "urn:zhizhi:problem:not-certified"
    assert "'strict'" in problem["detail"]
    assert problem["certifiable"] == 0.7
    # The default is served all the same, and says what it is worth.
    body = (await ask(Uncertified(), SmallLibrary(), CAPITAL)).json()
    assert (body["route"], body["promise"]["basis"]) == ("direct", "none")
    assert body["promise"]["target_precision"] is None


def test_a_certified_threshold_is_not_replaced() -> None:
    certified = RetrievedPoint(threshold=0.55, certified=True, n=300, coverage=0.8)
    point = POINT.model_copy(update={"retrieved": certified})
    assert binding(point, GradedLibrary(0.8)) == point
    promise = promise_of("retrieval", point)
    assert promise is not None
    assert (promise.basis, promise.target_precision, promise.delta) == ("certified", 0.9, 0.1)
    assert not withheld(Reading(answer="岳飞", confidence=0.55), point)
    assert withheld(Reading(answer="岳飞", confidence=0.54), point)
    assert withheld(Reading(answer="岳飞"), point)  # no confidence at all


def test_what_nothing_reaches_is_never_given() -> None:
    strict = binding(POINT.model_copy(update={"target_precision": 0.97}), GradedLibrary(1.0))
    assert strict.retrieved == RetrievedPoint(threshold=NEVER, certified=False)
    assert withheld(Reading(answer="岳飞", confidence=1.0), strict)


def test_a_closed_stratum_is_not_answered_directly() -> None:
    (attempt,) = SmallModel().attempt([CAPITAL])
    assert judge(attempt, POINT) is None
    obscure = attempt.model_copy(update={"stratum": "1"})
    assert judge(obscure, POINT) is None
    closed = POINT.model_copy(update={"closed": ("1", "2")})
    assert judge(obscure, closed) == "low_confidence"
    assert judge(attempt.model_copy(update={"stratum": "3"}), closed) is None


def test_the_backend_says_what_is_certified() -> None:
    backend = Backend(Uncertified(), GradedLibrary(0.8), Settings())
    try:
        assert [c.min_precision for c in backend.points.certified] == [0.5, 0.7]
        with pytest.raises(Problem, match=r"cannot certify a precision of 0\.9"):
            backend.point(None, 0.9)
    finally:
        backend.close(5)
