from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from tests.service.world import (
    CAPITAL,
    FATHER,
    HAMLET,
    PHONE,
    SmallLibrary,
    SmallModel,
    client_of,
)


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:zhizhi:problem:{name}"
    assert body["status"] == status
    assert body["instance"] == f"urn:zhizhi:request:{response.headers['x-request-id']}"
    return body


async def test_a_question_is_answered(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/qa", json={"question": CAPITAL})
    assert response.status_code == 200
    body = response.json()
    assert (body["answer"], body["route"]) == ("法国的首都是巴黎。", "direct")
    assert body["operating_point"]["target_precision"] == 0.9


async def test_a_refusal_is_an_answer(client: httpx.AsyncClient) -> None:
    body = (await client.post("/v1/qa", json={"question": PHONE})).json()
    assert (body["route"], body["reason"]) == ("refused", "insufficient_evidence")


async def test_options_reach_the_router(
    client: httpx.AsyncClient, library: SmallLibrary, model: SmallModel
) -> None:
    asked = {"question": FATHER, "fallback": "always", "sources": "index", "language": "en"}
    body = (await client.post("/v1/qa", json=asked)).json()
    assert (body["route"], body["language"]) == ("retrieval", "en")
    assert library.asked == [(FATHER, "index")]
    assert model.batches == []


async def test_a_precision_is_answered_with_its_certificate(client: httpx.AsyncClient) -> None:
    body = (await client.post("/v1/qa", json={"question": HAMLET, "min_precision": 0.95})).json()
    assert body["threshold"] == 0.9
    assert body["operating_point"]["certified"] is True
    response = await client.post("/v1/qa", json={"question": HAMLET, "min_precision": 0.99})
    body = problem(response, 409, "not-certified")
    assert body["certifiable"] == 0.95
    assert "0.95" in body["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/question"),
        ({"question": ""}, "#/question"),
        ({"question": "  \x00\u200b\ufeff ".replace("\u200b", "")}, "#/question"),
        ({"question": "长" * 2001}, "#/question"),
        ({"question": 7}, "#/question"),
        ({"question": CAPITAL, "fallbak": "never"}, "#/fallbak"),
        ({"question": CAPITAL, "fallback": "sometimes"}, "#/fallback"),
        ({"question": CAPITAL, "min_precision": 1.5}, "#/min_precision"),
        ({"question": CAPITAL, "min_precision": "0.9"}, "#/min_precision"),
        ({"question": CAPITAL, "deadline_ms": 0}, "#/deadline_ms"),
    ],
)
async def test_what_is_wrong_with_a_request_is_pointed_at(
    client: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    response = await client.post("/v1/qa", json=body)
    assert problem(response, 422, "invalid-request")["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "content",
    [
        rb'{"question": "\ud800"}',
        rb'{"question": "a\udfffb"}',
        b'{"question": "\xff\xfe"}',
        b'{"question": "a", "min_precision": NaN}',
        b'{"question": "a", "deadline_ms": 1e999}',
        b'{"question": ' + b"1" * 5000 + b"}",
        b"[" * 20_000,
        b"",
        b"null",
        b"{",
    ],
)
async def test_hostile_bodies_are_refused_politely(
    client: httpx.AsyncClient, content: bytes
) -> None:
    headers = {"content-type": "application/json"}
    response = await client.post("/v1/qa", content=content, headers=headers)
    assert response.status_code in (400, 422), response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_control_characters_do_not_reach_the_model(
    client: httpx.AsyncClient, model: SmallModel
) -> None:
    body = (await client.post("/v1/qa", json={"question": f"\x1b{CAPITAL}\x00"})).json()
    assert body["question"] == CAPITAL
    assert model.batches == [[CAPITAL]]


async def test_a_large_body_is_refused_by_its_length(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/qa", json={"question": "长" * 10_000_000})
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_large_body_without_a_length_is_refused_as_it_comes(
    client: httpx.AsyncClient,
) -> None:
    sent = 0

    async def body() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 10_000

    headers = {"content-type": "application/json"}
    response = await client.post("/v1/qa", content=body(), headers=headers)
    problem(response, 413, "body-too-large")
    assert sent < 40


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    for response in (await client.get("/v1/nothing"), await client.get("/v1/qa")):
        assert response.status_code in (404, 405)
        assert response.headers["content-type"] == "application/problem+json"


async def test_a_full_queue_is_503_with_retry_after() -> None:
    model = SmallModel()
    model.hold.clear()
    async with client_of(create_app(Settings(max_queue=1), model)) as client:
        first = asyncio.create_task(client.post("/v1/qa", json={"question": CAPITAL}))
        await asyncio.to_thread(model.started.acquire)
        second = asyncio.create_task(client.post("/v1/qa", json={"question": HAMLET}))
        ready = await client.get("/readyz")
        while ready.status_code == 200:
            await asyncio.sleep(0.001)
            ready = await client.get("/readyz")
        for path in ("/v1/qa", "/v1/qa/stream"):
            response = await client.post(path, json={"question": FATHER})
            problem(response, 503, "queue-full")
            assert int(response.headers["retry-after"]) >= 1
        model.hold.set()
        assert {(await task).status_code for task in (first, second)} == {200}


async def test_who_would_come_too_late_is_told_at_once() -> None:
    model = SmallModel()
    app = create_app(Settings(max_batch=1), model)
    async with client_of(app) as client:
        batcher = app.state.desk.backend.batcher
        model.hold.clear()
        first = asyncio.create_task(client.post("/v1/qa", json={"question": CAPITAL}))
        await asyncio.to_thread(model.started.acquire)
        second = asyncio.create_task(client.post("/v1/qa", json={"question": HAMLET}))
        while batcher.depth < 1:
            await asyncio.sleep(0.001)
        batcher._batch_seconds = 3.0  # as of late: nobody waits that long here
        hasty = {"question": FATHER, "deadline_ms": 2000}
        problem(await client.post("/v1/qa", json=hasty), 503, "queue-full")
        patient = asyncio.create_task(
            client.post("/v1/qa", json={"question": FATHER, "deadline_ms": 60_000})
        )
        while batcher.depth < 2:
            await asyncio.sleep(0.001)
        model.hold.set()
        answers = [await task for task in (first, second, patient)]
    assert {answer.status_code for answer in answers} == {200}


async def test_questions_in_retrieval_count_as_well() -> None:
    library = SmallLibrary()
    app = create_app(Settings(max_queue=1, max_batch=1), SmallModel(), library)
    async with client_of(app) as client:
        backend = app.state.desk.backend
        with backend.lease(), backend.lease():
            response = await client.post("/v1/qa", json={"question": FATHER, "fallback": "always"})
            problem(response, 503, "queue-full")
        response = await client.post("/v1/qa", json={"question": FATHER, "fallback": "always"})
        assert response.status_code == 200


async def test_a_client_that_hangs_up_is_forgotten() -> None:
    model = SmallModel()
    model.hold.clear()
    app = create_app(Settings(), model)
    async with app.router.lifespan_context(app):
        first = await hang_up_later(app, CAPITAL)
        await asyncio.to_thread(model.started.acquire)
        second = await hang_up_later(app, HAMLET)
        batcher = app.state.desk.backend.batcher
        while batcher.depth < 1:
            await asyncio.sleep(0.001)
        second.set()
        await asyncio.sleep(0.05)
        model.hold.set()
        first.set()
    assert model.batches == [[CAPITAL]]


async def hang_up_later(app: FastAPI, question: str) -> asyncio.Event:
    """Ask over bare ASGI; setting the event closes the connection."""
    gone = asyncio.Event()
    body = json.dumps({"question": question}).encode()
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    scope = {
        "type": "http", "method": "POST", "path": "/v1/qa", "raw_path": b"/v1/qa",
        "query_string": b"", "headers": [(b"content-type", b"application/json")],
        "http_version": "1.1", "scheme": "http", "server": ("test", 80), "client": ("test", 1),
    }  # fmt: skip
    tasks.append(asyncio.create_task(app(scope, receive, send)))
    return gone


tasks: list[asyncio.Task[None]] = []


def sse(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


async def test_a_stream_tells_the_way_then_the_answer(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/qa/stream", json={"question": FATHER})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = sse(response.text)
    names = [name for name, _ in events]
    assert names[:4] == ["step", "step", "step", "route"]
    assert [data["state"] for name, data in events if name == "step"] == [
        "asking",
        "searching",
        "retrieval",
    ]
    text = "".join(data["text"] for name, data in events if name == "token")
    final = events[-1][1]
    assert text == final["answer"] == "岳云的父亲是岳飞。"
    assert names.count("token") > 3
    assert names[-2:] == ["citation", "final"]
    assert final["route"] == "retrieval"


async def test_what_fails_in_a_stream_is_an_event() -> None:
    app = create_app(Settings(), SmallModel())
    async with client_of(app) as client:
        app.state.desk.backend.batcher.close()
        response = await client.post("/v1/qa/stream", json={"question": FATHER})
    (event,) = [data for name, data in sse(response.text) if name == "error"]
    assert event["type"] == "urn:zhizhi:problem:shutting-down"


async def test_health_and_readiness(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = (await client.get("/readyz")).json()
    assert ready["ready"] is True
    assert {check["name"]: check["detail"] for check in ready["checks"]}["model"] == "small-1"


async def test_a_stopped_model_is_not_ready() -> None:
    app = create_app(Settings(), SmallModel())
    async with client_of(app) as client:
        app.state.desk.backend.batcher.close()
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"][0] == {
            "name": "model",
            "ok": False,
            "required": True,
            "detail": "stopped",
        }
        problem(await client.post("/v1/qa", json={"question": CAPITAL}), 503, "shutting-down")


async def test_examples_and_operating_points(client: httpx.AsyncClient) -> None:
    examples = (await client.get("/v1/examples", params={"language": "en"})).json()
    assert [example["question"] for example in examples] == [HAMLET]
    points = (await client.get("/v1/operating-points")).json()
    assert (points["model"], points["default"]) == ("small-1", "webqa")
    assert points["profiles"]["strict"]["threshold"] == 0.9
    precisions = [choice["min_precision"] for choice in points["certified"]]
    assert precisions == [0.5, 0.7, 0.8, 0.9, 0.95]  # 0.6 has the threshold of 0.7


async def test_request_ids_are_kept_where_they_are_harmless(client: httpx.AsyncClient) -> None:
    for given, kept in (("abc-1", True), ("a b\tc", False), ("x" * 65, False)):
        response = await client.get("/healthz", headers={"X-Request-ID": given})
        assert (response.headers["x-request-id"] == given) is kept


async def test_a_failure_of_the_server_tells_nothing_but_its_id() -> None:
    class Bad(SmallModel):
        def operating_point(self, **_: Any) -> Any:
            raise RuntimeError("secret")

    async with client_of(create_app(Settings(), Bad())) as client:
        response = await client.post("/v1/qa", json={"question": CAPITAL})
    assert "secret" not in response.text
    problem(response, 500, "internal")


async def test_the_openapi_document_has_problems_and_examples(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    responses = document["paths"]["/v1/qa"]["post"]["responses"]
    assert set(responses) == {"200", "400", "401", "403", "409", "413", "422", "429", "503"}
    assert list(responses["422"]["content"]) == ["application/problem+json"]
    examples = responses["200"]["content"]["application/json"]["examples"]
    from service.answer import Answer

    for example in examples.values():
        Answer.model_validate_json(json.dumps(example["value"]))


async def test_cross_origin_requests_are_off_until_allowed(model: SmallModel) -> None:
    origin = {"Origin": "https://a.example"}
    for settings, allowed in (
        (Settings(), None),
        (Settings(cors_origins=("https://a.example",)), "https://a.example"),
    ):
        async with client_of(create_app(settings, model)) as client:
            response = await client.get("/healthz", headers=origin)
        assert response.headers.get("access-control-allow-origin") == allowed


def test_importing_the_service_imports_no_heavy_library() -> None:
    code = (
        "import sys, service.app, service.server; "
        "print([m for m in ('torch', 'transformers', 'faiss', 'langchain_core', 'numpy') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
