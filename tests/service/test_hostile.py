"""What clients do to a server: the OpenAPI document taken at its word and against it, hangers-up, crowds.

Everything goes to loopback, and is bounded in number and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
import string
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from service.app import create_app
from service.backend import Backend
from service.settings import Settings
from tests.service.serving import serving
from tests.service.world import CAPITAL, EXAMPLES, FATHER, SmallLibrary, SmallModel, client_of

pytestmark = pytest.mark.slow

STRANGE = (
    "\x00", "\ud800", "\u202e", "\ufeff", "💥", "é", "\r\n", "<script>", "'; DROP TABLE questions;--",
    "{{7*7}}", "%s%n", "../../etc/passwd", "1" * 400, "字" * 400, " ", "\t", "\\", '"',
)  # fmt: skip


def test_the_document_is_kept_to(tmp_path: Path) -> None:
    """schemathesis with every check: no server error, no answer outside of its schema, what the
    document allows is taken and what it forbids is not."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis.checks import CHECKS, load_all_checks

    load_all_checks()
    every = CHECKS.get_all()
    log = f"sqlite:///{tmp_path}/log.db"
    app = create_app(Settings(log_url=log), SmallModel(), SmallLibrary(), examples=EXAMPLES)  # type: ignore[arg-type]
    app.state.desk._load = lambda: Backend(SmallModel(), SmallLibrary(), Settings())
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    faults: list[str] = []
    tried = 0

    def hold(strategy: Any, checks: list[Any]) -> None:
        @settings(
            max_examples=30,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def check(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(checks=checks)

        check()

    for result in schema.get_all_operations():
        operation = result.ok()
        # JSON Schema cannot say that the last of the messages must be the user's, nor that what is
        # not honoured may be sent all the same.
        chat = operation.path == "/v1/chat/completions"
        left_out = ("positive_data_acceptance", "negative_data_rejection") if chat else ()
        checks = [check for check in every if check.__name__ not in left_out]
        for mode in schemathesis.GenerationMode:
            try:
                hold(operation.as_strategy(generation_mode=mode), checks)
            except Unsatisfiable:
                # What takes nothing cannot be sent anything wrong.
                assert mode is schemathesis.GenerationMode.NEGATIVE, operation.path
            except Exception as error:
                shown = "\n".join(str(e) for e in getattr(error, "exceptions", [error]))
                faults.append(f"{operation.method} {operation.path} ({mode}): {shown} {error}")
    app.state.desk.backend.close(5)
    assert not faults, "\n\n".join(faults)
    assert tried > 300


ASKED = {"question": CAPITAL, "fallback": "never", "min_precision": 0.8, "deadline_ms": 900}
SENT = {
    "/v1/qa": ASKED,
    "/v1/qa/stream": ASKED,
    "/v1/qa/batch": {"requests": [ASKED, {"question": FATHER}]},
    "/v1/chat/completions": {
        "model": "zhizhi",
        "messages": [{"role": "user", "content": [{"type": "text", "text": FATHER}]}],
        "stream": False,
        "zhizhi": {"profile": "strict"},
    },
    "/v1/feedback": {"answer_id": "a1", "rating": "up", "comment": "好"},
}


def strange(rng: random.Random) -> Any:
    return rng.choice([
        "".join(rng.choice(STRANGE) for _ in range(rng.randrange(4))),
        0, -1, 2**63, 1e308, 0.5, 10**30, True, False, None, [], {}, [[]], CAPITAL, "auto", "strict",
    ])  # fmt: skip


def mutated(value: Any, rng: random.Random, rate: float) -> Any:
    """``value`` with some of its parts replaced, left out or put beside something strange."""
    if rng.random() < rate:
        return strange(rng)
    if isinstance(value, dict):
        kept = {k: mutated(v, rng, rate) for k, v in value.items() if rng.random() > rate / 2}
        return kept | ({"x": strange(rng)} if rng.random() < rate else {})
    if isinstance(value, list):
        return [mutated(v, rng, rate) for v in value for _ in range(rng.choice((1, 1, 1, 0, 2)))]
    if isinstance(value, str) and rng.random() < 2 * rate:
        at = rng.randrange(len(value) + 1)
        return value[:at] + rng.choice(STRANGE) + value[at:]
    return value


async def test_fuzzed_bodies_are_never_the_servers_fault(tmp_path: Path) -> None:
    rng = random.Random(3)
    log = f"sqlite:///{tmp_path}/log.db"
    app = create_app(Settings(log_url=log), SmallModel(), SmallLibrary())  # type: ignore[arg-type]
    statuses: dict[int, int] = {}
    async with client_of(app) as client:
        for n in range(1500):
            path, sent = list(SENT.items())[n % len(SENT)]
            body = json.dumps(mutated(sent, rng, 0.12)).encode("utf-8", "surrogatepass")
            if rng.random() < 0.1:
                cut = rng.randrange(len(body) + 1)
                body = body[:cut] + rng.randbytes(rng.randrange(8)) + body[cut:]
            response = await client.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            assert response.status_code < 500, (path, body[:200], response.text)
            assert response.status_code in (200, 201) or "json" in response.headers["content-type"]
    assert statuses.get(200, 0) > 50
    assert statuses.get(422, 0) > 50


def test_raw_nonsense_on_the_wire_does_not_stop_it() -> None:
    rng = random.Random(5)
    with serving() as (process, url):
        address = httpx.URL(url)
        for n in range(200):
            with socket.create_connection((address.host, address.port or 80), timeout=5) as wire:
                head = b"POST /v1/qa HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                choice = n % 5
                with contextlib.suppress(OSError):
                    if choice == 0:
                        wire.sendall(rng.randbytes(300))
                    elif choice == 1:
                        wire.sendall(head + b"Content-Length: 99999\r\n\r\n{")
                    elif choice == 2:
                        wire.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n")
                    elif choice == 3:
                        wire.sendall(b"GET /" + b"A" * 70_000 + b" HTTP/1.1\r\n\r\n")
                    else:
                        wire.sendall(head + b"Content-Length: -5\r\n\r\n")
        assert httpx.post(f"{url}v1/qa", json={"question": CAPITAL}).status_code == 200
        assert process.poll() is None


def test_a_thousand_idle_connections_leave_room_for_a_question() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    with serving() as (_, url), contextlib.ExitStack() as stack:
        address = httpx.URL(url)
        for n in range(1000):
            source = (f"127.0.1.{1 + n // 100}", 0)  # one address alone may not hold so many
            wire = stack.enter_context(
                socket.create_connection(
                    (address.host, address.port or 80), timeout=5, source_address=source
                )
            )
            if n % 2:  # half of them begin a request and never end it
                wire.sendall(b"POST /v1/qa HTTP/1.1\r\nHost: a\r\n")
        started = time.monotonic()
        assert httpx.post(f"{url}v1/qa", json={"question": CAPITAL}).status_code == 200
        assert time.monotonic() - started < 5


def test_clients_that_hang_up_mid_stream_cost_nothing() -> None:
    with serving(0.02) as (process, url):
        for n in range(60):
            with httpx.Client() as client, client.stream(
                "POST", f"{url}v1/qa/stream", json={"question": f"{n}? {FATHER}"}
            ) as response:  # fmt: skip
                next(response.iter_bytes())
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if "zhizhi_queue_depth 0.0" in httpx.get(f"{url}metrics").text:
                break
            time.sleep(0.05)
        final = httpx.post(f"{url}v1/qa/stream", json={"question": FATHER}).text
        assert "event: final" in final
        assert process.poll() is None


async def test_at_twice_what_it_can_take_everybody_is_told() -> None:
    """Bounded: some seconds, loopback. Every request is answered or told 429/503, in time."""
    deadline_ms = 2000
    seconds = 8.0
    environment = {
        "ZHIZHI_MAX_BATCH": "4",
        "ZHIZHI_MAX_QUEUE": "16",
        "ZHIZHI_CACHE_SIZE": "0",
        "ZHIZHI_FALLBACK": "never",
    }
    with serving(0.05, **environment) as (process, url):  # 4 questions a 50 ms: 80/s
        memory = psutil.Process(process.pid)
        statuses: dict[int, int] = {}
        latencies: list[float] = []
        until = time.monotonic() + seconds
        sizes: list[int] = []

        async def client(client: httpx.AsyncClient) -> None:
            while time.monotonic() < until:
                name = "".join(random.choices(string.ascii_letters, k=12))
                response = await client.post(
                    "/v1/qa", json={"question": name, "deadline_ms": deadline_ms}
                )
                statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
                if response.status_code == 200:
                    # As the server has it: the clients share a machine that may have other work.
                    latencies.append(response.json()["timings_ms"]["total"])
                    assert response.json()["reason"] == "fallback_disabled"
                else:
                    assert int(response.headers["retry-after"]) >= 1
                    await asyncio.sleep(0.1)
                sizes.append(memory.memory_info().rss)

        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            await asyncio.gather(*(client(http) for _ in range(40)))
        assert process.poll() is None
        assert set(statuses) == {200, 503}
        assert max(latencies) < deadline_ms + 500
        half = len(sizes) // 2
        assert max(sizes[half:]) < 1.2 * max(sizes[:half])
        assert httpx.get(f"{url}readyz").status_code == 200


def test_a_killed_and_restarted_server_answers_again() -> None:
    with serving() as (process, url):
        assert httpx.post(f"{url}v1/qa", json={"question": CAPITAL}).status_code == 200
        port = str(httpx.URL(url).port)
        process.kill()
        process.wait()
    with serving(ZHIZHI_PORT=port) as (_, again):
        assert again == url
        assert httpx.post(f"{again}v1/qa", json={"question": CAPITAL}).status_code == 200
