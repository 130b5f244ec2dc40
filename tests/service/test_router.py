from __future__ import annotations

import asyncio
import time

import pytest

from retrieval.evidence import Reading
from service.batcher import AttemptError, QueueFullError
from service.language_pack import LANGUAGES, language_of, language_pack
from service.router import ENDS, TRANSITIONS, Outcome, Request, Router, State, Step, judge
from service.seams import Fallback, Sources
from tests.service.world import CAPITAL, FATHER, GUESS, HAMLET, PHONE, SmallLibrary, SmallModel
from training.attempt import Attempt, OperatingPoint


def router_of(model: SmallModel, library: SmallLibrary | None, delay: float = 0.0) -> Router:
    async def ask(question: str) -> Attempt:
        await asyncio.sleep(delay)
        try:
            return model.attempt([question])[0]
        except RuntimeError as error:
            raise AttemptError("failed") from error

    async def read(question: str, sources: Sources, deadline: float) -> Reading:
        assert library is not None
        return await asyncio.to_thread(library.answer, question, sources=sources, deadline=deadline)

    return Router(
        ask,
        None if library is None else read,
        model=model.name,
        index=None if library is None else library.name,
        as_of=lambda _: "2026-11-29",
    )


def request(
    question: str,
    *,
    profile: str = "webqa",
    seconds: float = 5.0,
    fallback: Fallback = "auto",
    sources: Sources = "both",
) -> Request:
    point = SmallModel().operating_point(profile=profile, min_precision=None)
    deadline = time.monotonic() + seconds
    return Request(question, point, deadline, fallback=fallback, sources=sources)


async def test_what_the_model_is_sure_of_is_answered_directly(
    model: SmallModel, library: SmallLibrary
) -> None:
    outcome = await router_of(model, library).answer(request(CAPITAL))
    answer = outcome.answer
    assert (answer.route, answer.answer) == ("direct", "法国的首都是巴黎。")
    assert (answer.confidence, answer.reason, answer.abstention) == (0.97, None, None)
    assert outcome.states == (State.START, State.ASKING, State.DIRECT)
    assert library.asked == []
    assert (answer.model, answer.index, answer.threshold) == ("small-1", "library-1", 0.8)
    assert answer.operating_point is not None
    assert (answer.operating_point.target_precision, answer.operating_point.n) == (0.9, 400)
    assert answer.usage["total_tokens"] == answer.usage["prompt_tokens"] + 9


async def test_what_it_refuses_is_retrieved_with_citations(
    model: SmallModel, library: SmallLibrary
) -> None:
    outcome = await router_of(model, library).answer(request(FATHER))
    answer = outcome.answer
    assert (answer.route, answer.answer) == ("retrieval", "岳云的父亲是岳飞。")
    assert (answer.abstention, answer.confidence) == ("model_refused", 0.93)
    citation = answer.citations[0]
    assert answer.answer[citation.start : citation.end] == citation.quote
    assert answer.provider == "library"
    assert set(answer.timings_ms) >= {"direct", "retrieval", "retrieval.search", "total"}
    assert outcome.states[-2:] == (State.SEARCHING, State.RETRIEVAL)


async def test_what_nobody_knows_keeps_the_models_own_refusal(
    model: SmallModel, library: SmallLibrary
) -> None:
    answer = (await router_of(model, library).answer(request(PHONE))).answer
    assert answer.route == "refused"
    assert answer.answer == "我不知道和“李白的手机号码”相关的信息。"
    assert (answer.reason, answer.abstention) == ("insufficient_evidence", "model_refused")
    assert answer.explanation == "在检索到的资料里没有找到足够有把握的答案。"
    assert answer.citations == ()
    assert len(answer.evidence) == 1  # what was found and did not help may be seen


async def test_a_guess_below_the_threshold_is_not_given(
    model: SmallModel, library: SmallLibrary
) -> None:
    answer = (await router_of(model, library).answer(request(GUESS))).answer
    assert (answer.route, answer.abstention) == ("refused", "low_confidence")
    assert (
        answer.answer
        == 'I don\'t know anything about "the painter of the ceiling of the village hall".'
    )
    assert "Michelangelo" not in answer.model_dump_json()


async def test_a_lower_threshold_lets_the_guess_through(
    model: SmallModel, library: SmallLibrary
) -> None:
    answer = (await router_of(model, library).answer(request(GUESS, profile="chat"))).answer
    assert (answer.route, answer.answer) == ("direct", "Michelangelo.")


async def test_without_fallback_a_refusal_is_the_end(
    model: SmallModel, library: SmallLibrary
) -> None:
    answer = (await router_of(model, library).answer(request(FATHER, fallback="never"))).answer
    assert (answer.route, answer.reason) == ("refused", "fallback_disabled")
    assert answer.answer == "我不知道和“岳云的父亲”相关的信息。"
    assert library.asked == []


async def test_with_fallback_always_the_model_is_not_asked(
    model: SmallModel, library: SmallLibrary
) -> None:
    answer = (await router_of(model, library).answer(request(FATHER, fallback="always"))).answer
    assert (answer.route, answer.abstention) == ("retrieval", "fallback_always")
    assert model.batches == []


async def test_the_sources_are_those_asked_for(model: SmallModel, library: SmallLibrary) -> None:
    answer = (await router_of(model, library).answer(request(FATHER, sources="web"))).answer
    assert library.asked == [(FATHER, "web")]
    assert (answer.reason, answer.provider) == ("no_results", "web")


async def test_without_retrieval_a_refusal_says_so(model: SmallModel) -> None:
    answer = (await router_of(model, None).answer(request(FATHER))).answer
    assert (answer.route, answer.reason, answer.index) == ("refused", "fallback_disabled", None)


async def test_a_broken_search_is_not_the_users_fault(model: SmallModel) -> None:
    for error in (OSError("no route to host"), TimeoutError("provider")):
        outcome = await router_of(model, SmallLibrary(error=error)).answer(request(FATHER))
        assert outcome.answer.reason == "search_unavailable"


async def test_a_broken_model_leaves_retrieval(model: SmallModel, library: SmallLibrary) -> None:
    router = router_of(model, library)
    outcome = await router.answer(request("crash"))
    assert outcome.answer.abstention == "model_unavailable"
    assert outcome.answer.reason == "insufficient_evidence"
    outcome = await router.answer(request("crash", fallback="never"))
    assert (outcome.answer.route, outcome.answer.reason) == ("refused", "model_unavailable")


async def test_the_deadline_holds_for_the_model(model: SmallModel, library: SmallLibrary) -> None:
    started = time.monotonic()
    outcome = await router_of(model, library, delay=5).answer(request(CAPITAL, seconds=0.05))
    assert time.monotonic() - started < 1
    assert outcome.answer.reason == outcome.answer.abstention == "deadline_exceeded"
    assert library.asked == []


async def test_the_deadline_holds_for_retrieval(model: SmallModel) -> None:
    outcome = await router_of(model, SmallLibrary(seconds=0.5)).answer(
        request(FATHER, seconds=0.05)
    )
    assert (outcome.answer.route, outcome.answer.reason) == ("refused", "deadline_exceeded")
    assert outcome.answer.answer == "我不知道和“岳云的父亲”相关的信息。"


async def test_a_full_queue_is_not_an_answer() -> None:
    async def full(_: str) -> Attempt:
        raise QueueFullError(3.0)

    with pytest.raises(QueueFullError):
        await Router(full, None, model="m").answer(request(CAPITAL))


async def test_every_step_is_told(model: SmallModel, library: SmallLibrary) -> None:
    seen = [event async for event in router_of(model, library).run(request(FATHER))]
    assert seen[:-1] == [
        Step(State.ASKING),
        Step(State.SEARCHING, "model_refused"),
        Step(State.RETRIEVAL, "model_refused"),
    ]
    assert isinstance(seen[-1], Outcome)


def test_every_state_is_reached_and_every_way_ends() -> None:
    reached = {State.START} | set(TRANSITIONS.values())
    assert reached == set(State)
    leaving = {state for state, _ in TRANSITIONS}
    assert reached - leaving == set(ENDS)


@pytest.mark.parametrize(
    ("confidence", "refused", "text", "expected"),
    [
        (0.8, False, "甲", None),
        (0.8, True, "甲", None),  # the calibrated confidence has heard the refusal already
        (0.79, False, "甲", "low_confidence"),
        (0.79, True, "甲", "model_refused"),
        (0.99, False, " ", "low_confidence"),  # nothing was said
        (float("nan"), False, "甲", "low_confidence"),
    ],
)
def test_judge(confidence: float, refused: bool, text: str, expected: str | None) -> None:
    point = OperatingPoint(
        name="p", threshold=0.8, target_precision=0.9, certified=True, n=400,
        coverage=0.5, delta=0.05,
    )  # fmt: skip
    attempt = SmallModel().attempt([HAMLET])[0]
    attempt = attempt.model_copy(
        update={"confidence": confidence, "refused": refused, "text": text}
    )
    assert judge(attempt, point) == expected


def test_every_language_explains_every_reason() -> None:
    from typing import get_args

    from retrieval.evidence import Reason

    for language in LANGUAGES:
        pack = language_pack(language)
        more = {
            *("model_unavailable", "no_model", "question_too_long"),
            *("unresolved_reference", "below_precision"),
        }
        assert set(pack.explanations) == {*get_args(Reason), *more}
        assert pack.refusal


def test_one_chinese_character_makes_a_question_chinese() -> None:
    assert language_of("Python的作者是?") == "zh"
    assert language_of("𠮷是什么") == "zh"
    assert language_of("Who wrote Hamlet?") == "en"


async def test_small_talk_gets_its_reply_and_asks_nobody(
    model: SmallModel, library: SmallLibrary
) -> None:
    outcome = await router_of(model, library).answer(request("你好,谢谢!"))
    assert (outcome.answer.route, outcome.answer.answer) == ("chat", "不客气。")
    assert (outcome.answer.reason, outcome.answer.confidence) == (None, None)
    assert outcome.states == (State.START, State.CHAT)
    assert model.batches == []
    assert library.asked == []


async def test_what_changes_with_time_is_looked_up_and_dated(
    model: SmallModel, library: SmallLibrary
) -> None:
    router = router_of(model, library)
    answer = (await router.answer(request("现任岳云的父亲是谁?"))).answer
    assert (answer.route, answer.abstention) == ("retrieval", "time_dependent")
    assert answer.as_of == "2026-11-29"
    assert answer.explanation is not None
    assert "2026-11-29" in answer.explanation
    assert model.batches == []
    never = (await router.answer(request("现任岳云的父亲是谁?", fallback="never"))).answer
    assert (never.route, never.reason) == ("refused", "fallback_disabled")


async def test_a_pronoun_that_nothing_stands_for_is_refused(
    model: SmallModel, library: SmallLibrary
) -> None:
    answer = (await router_of(model, library).answer(request("他哪年去世的?"))).answer
    assert (answer.route, answer.reason) == ("refused", "unresolved_reference")
    assert model.batches == []
    assert library.asked == []


async def test_a_refusal_says_what_would_answer(model: SmallModel, library: SmallLibrary) -> None:
    answer = (await router_of(model, library).answer(request(PHONE))).answer
    assert answer.gap is not None
    assert (answer.gap.subject, answer.gap.attribute) == ("李白", "手机号码")


def test_an_objection_is_the_abstention(model: SmallModel) -> None:
    (attempt,) = model.attempt([CAPITAL])
    point = model.operating_point(profile="webqa", min_precision=None)
    assert judge(attempt, point) is None
    objected = attempt.model_copy(update={"objection": "outside_calibration"})
    assert judge(objected, point) == "outside_calibration"
