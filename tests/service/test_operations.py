from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.logs import JsonFormatter, TextFormatter, request_id
from service.settings import Settings
from tests.service.world import CAPITAL, FATHER, PHONE, SmallLibrary, SmallModel, client_of


async def scrape(client: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    response = await client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_the_metrics_count_what_happened(client: httpx.AsyncClient) -> None:
    for question in (CAPITAL, FATHER, PHONE, PHONE):
        await client.post("/v1/qa", json={"question": question})
    await client.get("/made/up/path")
    found = await scrape(client)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    answers = "zhizhi_answers_total"
    assert value(answers, route="direct", reason="", cached="false") == 1
    assert value(answers, route="retrieval", reason="", cached="false") == 1
    assert value(answers, route="refused", reason="insufficient_evidence", cached="false") == 1
    assert value(answers, route="refused", reason="insufficient_evidence", cached="true") == 1
    assert value("zhizhi_refusals_total", stage="model", reason="model_refused") == 2
    assert value("zhizhi_refusals_total", stage="retrieval", reason="insufficient_evidence") == 1
    assert value("zhizhi_batch_size_count") == 3
    assert value("zhizhi_stage_duration_seconds_count", stage="retrieval") == 2
    assert value("zhizhi_queue_depth") == 0
    assert value("zhizhi_serving", model="small-1", index="library-1") == 1
    count = "http_server_request_duration_seconds_count"
    labels = {"http_request_method": "POST", "http_response_status_code": "200"}
    assert value(count, http_route="/v1/qa", **labels) == 4
    labels = {"http_request_method": "GET", "http_response_status_code": "404"}
    assert value(count, http_route="other", **labels) == 1


async def test_a_reload_is_a_route(model: SmallModel) -> None:
    other = SmallModel()
    other.name = "small-2"
    app = create_app(Settings(), model, load=lambda: (other, SmallLibrary()))
    async with client_of(app) as client:
        assert (await client.post("/v1/admin/reload")).json() == {
            "model": "small-2",
            "index": "library-1",
        }
        assert (await client.get("/v1/admin/status")).json()["model"] == "small-2"
        assert (await client.post("/v1/qa", json={"question": CAPITAL})).json()[
            "model"
        ] == "small-2"
    async with client_of(create_app(Settings(), SmallModel())) as client:
        assert (await client.post("/v1/admin/reload")).status_code == 501


def emit(formatter: logging.Formatter, message: str, **extra: object) -> str:
    record = logging.makeLogRecord({"name": "zhizhi", "levelno": 20, "levelname": "INFO",
                                    "msg": message, **extra})  # fmt: skip
    return formatter.format(record)


def test_a_line_of_the_log_is_one_json_object() -> None:
    token = request_id.set("r-1")
    try:
        entry = json.loads(emit(JsonFormatter(), "两行\n\ud800", status=200))
        assert (entry["request_id"], entry["status"], entry["level"]) == ("r-1", 200, "info")
        assert entry["message"] == "两行\n\ud800"
        assert emit(TextFormatter(), "done", status=200).endswith("done status=200 request_id=r-1")
    finally:
        request_id.reset(token)


async def test_the_access_log_has_no_question_and_no_path_of_the_clients(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await client.post("/v1/qa", json={"question": CAPITAL})
    await client.get("/secret/token", params={"q": CAPITAL})
    await client.get("/healthz")
    lines = [record.getMessage() for record in caplog.records if record.name == "zhizhi.access"]
    assert lines == ["POST /v1/qa", "GET other"]
    ours = [r for r in caplog.records if not r.name.startswith("httpx")]  # the client logs its own
    assert not [r for r in ours if CAPITAL in str(vars(r)) or "secret" in str(vars(r))]


async def test_a_batch_answers_each_by_itself(client: httpx.AsyncClient, model: SmallModel) -> None:
    items = [
        {"question": CAPITAL},
        {"question": FATHER, "fallback": "never"},
        {"question": PHONE, "min_precision": 0.999},
    ]
    response = await client.post("/v1/qa/batch", json={"requests": items})
    direct, refused, impossible = response.json()["results"]
    assert direct["answer"]["route"] == "direct"
    assert refused["answer"]["reason"] == "fallback_disabled"
    assert impossible["answer"] is None
    assert impossible["problem"]["type"] == "urn:zhizhi:problem:not-certified"
    response = await client.post("/v1/qa/batch", json={"requests": items[:1] * 257})
    assert response.status_code == 422
    assert sum(map(len, model.batches)) == 2


async def test_a_batch_larger_than_the_queue_is_answered() -> None:
    app = create_app(Settings(max_queue=4, max_batch=2, cache_size=0), SmallModel(0.001))
    async with client_of(app) as client:
        items = [{"question": f"第{n}题?", "fallback": "never"} for n in range(40)]
        results = (await client.post("/v1/qa/batch", json={"requests": items})).json()["results"]
    assert [result["answer"]["route"] for result in results if result["answer"]] == ["refused"] * 40


async def test_without_a_log_feedback_is_refused(client: httpx.AsyncClient) -> None:
    said = {"answer_id": "a", "rating": "up"}
    response = await client.post("/v1/feedback", json=said)
    assert response.status_code == 501
    assert response.json()["type"] == "urn:zhizhi:problem:no-log"


@pytest.mark.parametrize("wanted", [False, True])
async def test_questions_are_logged_only_where_they_are_asked_for(
    wanted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    app = create_app(Settings(log_questions=wanted), SmallModel(), SmallLibrary())
    async with client_of(app) as client:
        answer = (await client.post("/v1/qa", json={"question": FATHER})).json()
    (line,) = [record for record in caplog.records if record.name == "zhizhi.answers"]
    assert line.getMessage() == "retrieval"
    assert vars(line)["answer_id"] == answer["id"]
    assert vars(line).get("question") == (FATHER if wanted else None)


async def test_a_provider_that_hangs_costs_the_deadline_of_nobody_and_is_left_alone() -> None:
    """A real chain over a search engine that accepts the connection and says nothing."""
    from retrieval.chain import RetrievalChain
    from retrieval.web.providers import make_providers
    from retrieval.web.search import WebSearch, WebSettings

    hanging = await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    web = WebSearch(
        make_providers([f"searxng=http://127.0.0.1:{port}"]),
        settings=WebSettings(provider_seconds=0.3, failures=2),
    )
    app = create_app(Settings(cache_size=0), SmallModel(), RetrievalChain(web=web))
    async with client_of(app) as client:
        for opened in (0, 0, 1):
            assert (await scrape(client))["zhizhi_breaker_open", frozenset(
                {("provider", "searxng")})] == opened  # fmt: skip
            started = time.monotonic()
            asked = {"question": PHONE, "deadline_ms": 2000}
            answer = (await client.post("/v1/qa", json=asked)).json()
            assert (answer["route"], answer["reason"]) == ("refused", "search_unavailable")
            assert time.monotonic() - started < 2.5
        # What the model knows is not held up.
        assert (await client.post("/v1/qa", json={"question": CAPITAL})).json()["route"] == "direct"
    hanging.close()


def test_what_a_client_sent_forges_no_line_and_moves_no_cursor() -> None:
    sent = "岳云?\n12:00:00 ERROR   the keys are gone\x1b[2J\x9b1A\u202e\u2028done\r"
    told = {"question": sent}
    line = TextFormatter().format(
        logging.makeLogRecord({"msg": "asked", "levelname": "INFO", **told})
    )
    assert "岳云" in line
    assert line.isprintable()
    try:
        raise ValueError(sent)
    except ValueError:
        record = {"msg": sent, "levelname": "ERROR", "exc_info": sys.exc_info()}
        first, *rest = TextFormatter().format(logging.makeLogRecord(record)).split("\n")
    assert first.isprintable()
    assert "Traceback" in rest[0]
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
