"""A running service and a chat endpoint, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from eval.errors import EvalError
from eval.remote import ChatArm, Endpoint, EndpointSettings, ServiceArm, service_point
from eval.remote_run import Addresses, ChatSettings, evaluate_addresses
from eval.settings import EvaluationSettings
from eval.table import table as table_of
from kg_builder.question import Question
from tests.eval.served import QUESTIONS
from tests.service.world import CAPITAL

URL = "http://model.test/v1"


def test_a_running_service_is_evaluated(url: str) -> None:
    result = evaluate_addresses(
        QUESTIONS,
        Addresses(service=EndpointSettings(url=url)),
        settings=EvaluationSettings(latency_questions=2, resamples=20),
        labels={"q001": True, "q002": False, "q003": False, "q004": True},
        progress=False,
    )
    verdicts = {name: [r.verdict for r in arm.records] for name, arm in result.arms.items()}
    assert verdicts == {
        "calibrated": ["correct", "refused", "refused", "correct"],
        "calibrated_fallback": ["correct", "correct", "refused", "correct"],
        "always_retrieve": ["refused", "correct", "refused", "refused"],
    }
    retrieved = [r.retrieved for r in result.arms["calibrated_fallback"].records]
    assert retrieved == [False, True, True, False]
    assert result.point is not None
    assert result.point.name == "webqa"
    table = table_of(result)
    assert table["confidence"] is None
    assert table["arms"]["calibrated_fallback"]["precision"] == 1
    assert table["arms"]["calibrated"]["latency_n"] == 1  # the warm-up was remembered
    assert table["routing"]["calibrated_fallback"]["rescue"]["value"] == 0.5


def test_an_address_where_nobody_is() -> None:
    with pytest.raises(EvalError, match="zhizhi serve"):
        evaluate_addresses(
            QUESTIONS, Addresses(service=EndpointSettings(url="http://127.0.0.1:9")), progress=False
        )


def endpoint(handler: Callable[[httpx.Request], httpx.Response], **settings: object) -> Endpoint:
    return Endpoint(
        EndpointSettings.model_validate({"url": URL, **settings}),
        transport=httpx.MockTransport(handler),
        sleep=waits.append,
    )


waits: list[float] = []


def completion(text: str, **more: object) -> httpx.Response:
    choice = {"message": {"role": "assistant", "content": text}, **more}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return httpx.Response(200, json={"choices": [choice], "usage": usage})


def chat(handler: Callable[[httpx.Request], httpx.Response], **settings: object) -> ChatArm:
    return ChatArm(
        "base", endpoint(handler, **settings), "small", prompt=2, max_new_tokens=16, logprobs=True
    )


def test_a_chat_endpoint() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        assert str(request.url) == f"{URL}/chat/completions"
        assert request.headers["Authorization"] == "Bearer secret"
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("small", 0, 16)
        asked = body["messages"][0]["content"]
        if CAPITAL in asked:
            return completion("巴黎。", logprobs={"content": [{"logprob": -0.5}] * 2})
        return completion("我不知道。")

    first, second = chat(handler, key="secret").replies(QUESTIONS[:2])
    assert (first.text, first.route, first.prompt_tokens) == ("巴黎。", "direct", 7)
    assert first.confidence == pytest.approx(0.36788, abs=1e-5)
    assert (second.route, second.confidence) == ("refused", None)


def test_a_busy_server_is_asked_again_as_it_wishes() -> None:
    waits.clear()
    answers = iter(
        [
            httpx.Response(503, headers={"Retry-After": "7"}),
            httpx.Response(429),
            completion("巴黎"),
        ]
    )
    assert chat(lambda _: next(answers)).reply_alone(QUESTIONS[0]).text == "巴黎"
    assert waits == [7.0, 1.0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(500, json={"error": {"message": "out of memory"}}), "out of memory"),
        (httpx.Response(503), "503"),
        (httpx.Response(200, text="<html>"), "no JSON"),
        (httpx.Response(200, json={"choices": []}), "not a chat completion"),
        (httpx.Response(200, json=[1]), "no JSON object"),
    ],
)
def test_a_failure_is_unscored(answer: httpx.Response, error: str) -> None:
    from eval.record import Record

    reply = chat(lambda _: answer).reply_alone(QUESTIONS[0])
    assert reply.text is None
    assert error in (reply.error or "")
    assert Record.of(QUESTIONS[0], reply).verdict == "unscored"


def test_a_broken_connection_is_unscored() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    assert "ReadTimeout" in (chat(broken).reply_alone(QUESTIONS[0]).error or "")


@pytest.mark.parametrize("status", [401, 404])
def test_a_wrong_key_ends_the_run(status: int) -> None:
    with pytest.raises(EvalError, match=str(status)):
        chat(lambda _: httpx.Response(status)).reply_alone(QUESTIONS[0])


def test_what_is_no_service_of_ours() -> None:
    other = endpoint(lambda _: httpx.Response(404))
    assert service_point(other, None) is None
    with pytest.raises(EvalError, match="no service of ours"):
        evaluate_addresses(
            QUESTIONS,
            Addresses(service=EndpointSettings(url=URL)),
            transport=httpx.MockTransport(lambda _: httpx.Response(404)),
            progress=False,
        )
    strange = ServiceArm(
        "calibrated", endpoint(lambda _: httpx.Response(200, json={"a": 1})), fallback="never"
    )
    assert "not an answer" in (strange.reply_alone(QUESTIONS[0]).error or "")


def test_a_baseline_beside_nothing_else() -> None:
    known: set[str] = {CAPITAL}

    def handler(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)["messages"][0]["content"]
        return completion("巴黎" if any(k in asked for k in known) else "伦敦")

    result = evaluate_addresses(
        QUESTIONS,
        Addresses(chat=ChatSettings(url=URL, model="m")),
        settings=EvaluationSettings(latency_questions=0, resamples=20),
        transport=httpx.MockTransport(handler),
        progress=False,
    )
    assert list(result.arms) == ["base", "prompt_only"]
    assert result.known == [True, False, False, False]


def test_nothing_to_ask() -> None:
    with pytest.raises(EvalError, match="no address"):
        evaluate_addresses([Question.model_validate(QUESTIONS[0])], Addresses(), progress=False)
