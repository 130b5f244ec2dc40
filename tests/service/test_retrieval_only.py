"""The service without a model: every question is looked up, and nothing is promised of direct answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.backend import Backend
from service.desk import Desk
from service.question_log import export, open_engine
from service.retrieval_only import NoModelError, RetrievalOnly
from service.router import State
from service.settings import Settings
from tests.service.world import CAPITAL, FATHER, PHONE, SmallLibrary, client_of


@pytest.fixture
async def client(library: SmallLibrary) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(Settings(), RetrievalOnly(), library)) as client:
        yield client


async def ask(client: httpx.AsyncClient, question: str, **options: object) -> dict[str, Any]:
    response = await client.post("/v1/qa", json={"question": question, **options})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_an_answer_comes_from_the_documents_and_says_so(client: httpx.AsyncClient) -> None:
    answer = await ask(client, FATHER)
    assert (answer["route"], answer["answer"]) == ("retrieval", "岳云的父亲是岳飞。")
    assert answer["citations"][0]["quote"] == "岳云的父亲是岳飞"
    assert (answer["model"], answer["index"]) == ("retrieval-only", "library-1")
    assert answer["abstention"] == "no_model"
    # No threshold was used: there was nothing to compare with one.
    assert (answer["threshold"], answer["operating_point"]) == (None, None)
    assert answer["usage"] == {}
    assert "direct" not in answer["timings_ms"]


async def test_what_the_documents_do_not_say_is_refused(client: httpx.AsyncClient) -> None:
    answer = await ask(client, PHONE)
    assert (answer["route"], answer["reason"]) == ("refused", "insufficient_evidence")
    assert answer["answer"] == "我不知道和“李白的手机号码”相关的信息。"
    assert answer["confidence"] is None  # no model, no estimate


@pytest.mark.parametrize(("language", "words"), [("zh", "没有模型"), ("en", "no model")])
async def test_a_request_that_forbids_retrieval_is_refused_with_the_reason(
    client: httpx.AsyncClient, library: SmallLibrary, language: str, words: str
) -> None:
    answer = await ask(client, FATHER, fallback="never", language=language)
    assert (answer["route"], answer["reason"]) == ("refused", "no_model")
    assert words in answer["explanation"]
    assert library.asked == []


async def test_a_request_that_wants_retrieval_anyway_says_that(client: httpx.AsyncClient) -> None:
    answer = await ask(client, FATHER, fallback="always")
    assert (answer["route"], answer["abstention"]) == ("retrieval", "fallback_always")


async def test_no_precision_can_be_certified(client: httpx.AsyncClient) -> None:
    refused = await client.post("/v1/qa", json={"question": FATHER, "min_precision": 0.5})
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["type"] == "urn:zhizhi:problem:not-certified"
    assert "Without a model" in problem["detail"]
    points = (await client.get("/v1/operating-points")).json()
    assert (points["model"], points["direct"], points["certified"]) == ("retrieval-only", False, [])
    for point in points["profiles"].values():
        assert (point["certified"], point["coverage"], point["n"]) == (False, 0.0, 0)


async def test_a_profile_changes_nothing_and_is_no_mistake(client: httpx.AsyncClient) -> None:
    """A client that names one keeps working when it is pointed at such a service."""
    for profile in ("chat", "webqa", "strict"):
        assert (await ask(client, FATHER, profile=profile))["route"] == "retrieval"


def test_the_attempter_abstains_from_everything() -> None:
    first, second = RetrievalOnly().attempt([CAPITAL, FATHER])
    assert first.refused
    assert first == second
    assert first.confidence < RetrievalOnly().operating_point().threshold
    with pytest.raises(NoModelError, match="profile 'bold'"):
        RetrievalOnly().operating_point(profile="bold")


async def test_ready_means_that_the_documents_are_there(client: httpx.AsyncClient) -> None:
    ready = await client.get("/readyz")
    checks = {check["name"]: check for check in ready.json()["checks"]}
    assert ready.status_code == 200
    assert checks["model"]["detail"] == "retrieval-only"
    assert (checks["retrieval"]["required"], checks["retrieval"]["detail"]) == (True, "library-1")
    assert (await client.get("/healthz")).status_code == 200
    async with client_of(create_app(Settings(), RetrievalOnly())) as without:
        assert (await without.get("/readyz")).status_code == 503


async def test_a_stream_goes_straight_to_the_search(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/qa/stream", json={"question": FATHER})
    blocks = [block.splitlines() for block in response.text.strip().split("\n\n")]
    events = [
        (block[0].removeprefix("event: "), json.loads(block[1].removeprefix("data: ")))
        for block in blocks
        if block[0].startswith("event: ")
    ]
    steps = [data for name, data in events if name == "step"]
    assert steps[0] == {"state": State.SEARCHING, "abstention": "no_model"}
    assert State.ASKING not in [step["state"] for step in steps]
    assert events[-1][1]["route"] == "retrieval"


async def test_openai_clients_find_it_under_every_name(client: httpx.AsyncClient) -> None:
    models = [card["id"] for card in (await client.get("/v1/models")).json()["data"]]
    assert models[:2] == ["retrieval-only", "zhizhi"]
    assert "zhizhi:webqa" in models
    for model in models:
        asked = {"model": model, "messages": [{"role": "user", "content": FATHER}]}
        reply = (await client.post("/v1/chat/completions", json=asked)).json()
        assert reply["choices"][0]["message"]["content"] == "岳云的父亲是岳飞。"
        assert reply["choices"][0]["message"]["annotations"]
        assert reply["model"] == "retrieval-only"
        assert reply["usage"]["total_tokens"] == 0
        assert reply["zhizhi"]["abstention"] == "no_model"


async def test_a_follow_up_takes_the_subject_of_the_question_before(
    client: httpx.AsyncClient,
) -> None:
    turns = [
        {"role": "user", "content": "岳飞的父亲是谁?"},
        {"role": "assistant", "content": "我不知道和“李白的手机号码”相关的信息。"},
        {"role": "user", "content": "那岳云呢?"},
    ]
    asked = {"model": "zhizhi", "messages": turns}
    reply = (await client.post("/v1/chat/completions", json=asked)).json()
    assert reply["zhizhi"]["question"] == "岳云的父亲是谁?"
    assert reply["zhizhi"]["route"] == "retrieval"


async def test_the_metrics_blame_no_model(client: httpx.AsyncClient) -> None:
    for question in (FATHER, PHONE):
        await ask(client, question)
    text = (await client.get("/metrics")).text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    refusals = {s.labels["stage"] for s in samples if s.name == "zhizhi_refusals_total"}
    assert refusals == {"retrieval"}
    serving = next(s for s in samples if s.name == "zhizhi_serving")
    assert serving.labels == {"model": "retrieval-only", "index": "library-1"}
    confidences = next(s for s in samples if s.name == "zhizhi_confidence_count")
    batches = next(s for s in samples if s.name == "zhizhi_batch_size_count")
    assert (confidences.value, batches.value) == (0, 0)
    status = (await client.get("/v1/admin/status")).json()
    assert status == {"model": "retrieval-only", "index": "library-1", "drift": None}


async def test_the_log_keeps_what_the_documents_do_not_answer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/questions.db"
    settings = Settings(log_url=url, cache_size=0)  # type: ignore[arg-type]
    async with client_of(create_app(settings, RetrievalOnly(), SmallLibrary())) as client:
        await ask(client, FATHER)  # answered: not kept
        await ask(client, CAPITAL, fallback="never")  # not looked up: says nothing of the documents
        await ask(client, PHONE)
        await ask(client, PHONE)
    engine = open_engine(url)
    (row,) = export(engine)
    engine.dispose()
    assert (row["text"], row["times"], row["route"]) == (PHONE, 2, "refused")
    assert (row["reason"], row["abstention"]) == ("insufficient_evidence", "no_model")
    assert (row["confidence"], row["attempt"]) == (None, None)


async def test_speculation_changes_nothing(library: SmallLibrary) -> None:
    settings = Settings(speculate="always", cache_size=0)
    async with client_of(create_app(settings, RetrievalOnly(), library)) as client:
        assert (await ask(client, FATHER))["route"] == "retrieval"
    assert len(library.asked) == 1


async def test_many_questions_are_looked_up_at_a_time(client: httpx.AsyncClient) -> None:
    asked = {"requests": [{"question": FATHER}, {"question": PHONE}, {"question": "岳云的儿子是?"}]}
    results = (await client.post("/v1/qa/batch", json=asked)).json()["results"]
    assert [r["answer"]["route"] for r in results] == ["retrieval", "refused", "retrieval"]


@pytest.mark.slow  # LangChain alone takes seconds to import
async def test_a_langchain_program_finds_the_citations(library: SmallLibrary) -> None:
    pytest.importorskip("langchain_core")
    from service.langchain import ZhizhiChat

    backend = Backend(RetrievalOnly(), library, Settings())
    reply = await ZhizhiChat(desk=Desk(Settings(), backend)).ainvoke(FATHER)
    assert reply.content == "岳云的父亲是岳飞。"
    assert reply.response_metadata["model_name"] == "retrieval-only"
    assert reply.response_metadata["citations"]
    assert backend.close(5)
