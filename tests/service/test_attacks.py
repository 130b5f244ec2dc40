"""Attacks on a server that runs, on loopback: each is turned away, and nobody else waits for it.

Attackers come from 127.0.0.9 and others like it, those who ask from 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.service.serving import serving
from tests.service.world import CAPITAL, FATHER

ATTACKER = "127.0.0.9"


def connect(url: str, source: str = ATTACKER) -> socket.socket:
    address = httpx.URL(url)
    return socket.create_connection(
        (address.host, address.port or 80), timeout=20, source_address=(source, 0)
    )


def answered(wire: socket.socket) -> str:
    """What the server says until it closes the connection."""
    said = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := wire.recv(65536):
            said += piece
    return said.decode("latin-1")


def ask(url: str, question: str = CAPITAL) -> float:
    """Asks as everybody does; the time that the answer took."""
    started = time.monotonic()
    response = httpx.post(f"{url}v1/qa", json={"question": question}, timeout=30)
    assert response.status_code == 200, response.text
    return time.monotonic() - started


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[psutil.Process, str]]:
    limits = {"ZHIZHI_HEADER_SECONDS": "1.5", "ZHIZHI_MAX_CONNECTIONS_PER_ADDRESS": "20"}
    with serving(**limits) as (process, url):
        yield psutil.Process(process.pid), url


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", id="one that does not end"),
        pytest.param(b"GET /", id="a path that does not end"),
    ],
)
def test_headers_without_end_are_not_kept(served: tuple[psutil.Process, str], head: bytes) -> None:
    process, url = served
    before = process.memory_info().rss
    with connect(url) as wire:
        wire.sendall(head)
        sent = 0
        with contextlib.suppress(OSError):
            for _ in range(400):  # 40 MB, if it were let
                wire.sendall(b"A" * 100_000)
                sent += 100_000
        assert "431" in answered(wire)[:20] or sent < 4e7
    assert sent < 2e7
    assert process.memory_info().rss - before < 2e7
    ask(url)


def test_many_headers_are_too_large(served: tuple[psutil.Process, str]) -> None:
    _, url = served
    with connect(url) as wire:
        lines = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 500) for n in range(200))
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        said = answered(wire)
    assert said.startswith("HTTP/1.1 431 ")
    assert "application/problem+json" in said
    with connect(url) as wire:  # what everybody sends fits
        wire.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\nConnection: close\r\n\r\n"
            % (b"c" * 8000)
        )
        assert answered(wire).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("drip", [b"", b"\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\n"])
def test_a_connection_that_asks_nothing_is_closed(
    served: tuple[psutil.Process, str], drip: bytes
) -> None:
    _, url = served
    with connect(url) as wire:
        wire.sendall(drip)
        assert "200" not in answered(wire)[:20]  # returns when the server closes; else it times out
    with connect(url) as wire:  # after a whole request too
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + drip)
        assert answered(wire).startswith("HTTP/1.1 200 ")


def test_one_address_does_not_take_all_connections(served: tuple[psutil.Process, str]) -> None:
    _, url = served
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connect(url)) for _ in range(40)]
        said = answered(wires[-1])
        assert said.startswith("HTTP/1.1 503 ")
        assert "Too many connections" in said
        ask(url)  # another address
    until = time.monotonic() + 20
    while time.monotonic() < until:  # and the places are free again
        with connect(url) as wire:
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            if answered(wire).startswith("HTTP/1.1 200 "):
                return
        time.sleep(0.1)
    raise AssertionError("the address never got its places back")


def test_a_body_comes_whole_whatever_the_chunks(served: tuple[psutil.Process, str]) -> None:
    """The limit is for headers: a body beside them in one chunk does not count."""
    _, url = served
    body = b'{"question": "' + b"a" * 1000 + b'"' + b" " * 200_000 + b"}"
    with connect(url, "127.0.0.1") as wire:
        wire.sendall(
            b"POST /v1/qa HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert answered(wire).startswith("HTTP/1.1 200 ")


def test_head_is_answered_as_get_without_a_body(served: tuple[psutil.Process, str]) -> None:
    _, url = served
    for path in ("", "healthz", "readyz", "v1/models", "docs"):
        there = httpx.get(url + path)
        head = httpx.head(url + path)
        assert (head.status_code, head.content) == (there.status_code, b""), path
        assert head.headers["content-type"] == there.headers["content-type"]
        assert head.headers["content-length"] == there.headers["content-length"]
    assert httpx.head(f"{url}v1/qa").status_code == 405


def test_nobody_names_the_address_that_a_rate_counts() -> None:
    with serving(ZHIZHI_RATE="2/hour") as (_, url):
        statuses = [
            httpx.get(f"{url}v1/models", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
            for n in range(4)
        ]
        assert statuses == [200, 200, 429, 429]
    trusting = {"ZHIZHI_RATE": "2/hour", "ZHIZHI_TRUSTED_PROXIES": "127.0.0.0/8"}
    with serving(**trusting) as (_, url):
        statuses = [
            httpx.get(f"{url}v1/models", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
            for n in range(4)
        ]
        assert statuses == [200] * 4


def test_a_locked_question_log_holds_up_feedback_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with serving(ZHIZHI_LOG_URL=f"sqlite:///{path}") as (_, url):
        ask(url)
        with sqlite3.connect(path, isolation_level=None) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            said: list[int] = []

            def say() -> None:
                told = {"answer_id": "a1", "rating": "up"}
                said.append(httpx.post(f"{url}v1/feedback", json=told, timeout=60).status_code)

            crowd = [threading.Thread(target=say) for _ in range(60)]
            for one in crowd:
                one.start()
            time.sleep(1)
            waits = [ask(url, f"{CAPITAL} {n}") for n in range(5)]
            assert len(said) < len(crowd), "feedback did not wait: the lock was none"
            assert max(waits) < 5  # where they share a pool it is 10 and more
            for one in crowd:
                one.join(60)
            assert set(said) == {503}
            lock.execute("ROLLBACK")
        assert httpx.post(f"{url}v1/feedback", json={"answer_id": "a1", "rating": "up"}).is_success


@pytest.mark.slow  # the time that a process is given to close up
def test_a_term_signal_ends_it_whatever_hangs() -> None:
    """A search that never returns holds a thread that Python would wait for at its end."""
    with serving(reading=600, ZHIZHI_DRAIN_SECONDS="1") as (process, url):
        hanging = threading.Thread(target=ask_in_vain, args=(url,))
        hanging.start()
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        words = process.words(timeout=60)
        hanging.join(10)
    assert process.returncode == 1
    assert "in answer" in words  # it says where it hung


def ask_in_vain(url: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(f"{url}v1/qa", json={"question": FATHER}, timeout=60)
