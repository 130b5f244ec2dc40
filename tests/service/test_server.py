from __future__ import annotations

import signal
import socket
import threading
import time

import httpx
import pytest

from service.server import BindError, bind
from service.settings import Settings, SettingsError, load_settings
from tests.service.serving import serving


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BindError, match=rf"127.0.0.1:{port} is in use.*ZHIZHI_PORT"):
            bind("127.0.0.1", port)
        with serving(ZHIZHI_PORT=str(port)) as (process, _):
            words = process.words()
            assert process.returncode == 2
            assert words.strip().startswith(f"127.0.0.1:{port} is in use.")


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(BindError, match=r"192\.0\.2\.1:8000: this machine has no such address"):
        bind("192.0.2.1", 8000)
    with pytest.raises(BindError, match="ZHIZHI_HOST"):
        bind("no such host", 8000)


def test_a_term_signal_lets_requests_finish() -> None:
    with serving(seconds=2.0) as (process, url):
        answers: list[httpx.Response] = []
        asking = threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{url}v1/qa", json={"question": "沈云舟的父亲是谁?"}, timeout=30)
            )
        )
        asking.start()
        until = time.monotonic() + 30
        while "zhizhi_batch_busy_seconds 0.0" in httpx.get(f"{url}metrics").text:
            assert time.monotonic() < until, "the question never reached the model"
        process.send_signal(signal.SIGTERM)
        asking.join(30)
        assert answers[0].status_code == 200
        assert process.wait(30) == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}healthz")


def test_an_interrupt_ends_with_the_status_of_one() -> None:
    with serving() as (process, url):
        assert httpx.get(f"{url}healthz").status_code == 200
        process.send_signal(signal.SIGINT)
        words = process.words()
        assert process.returncode == 130
        assert "Traceback" not in words


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIZHI_PORT", "9001")
    monkeypatch.setenv("ZHIZHI_CORS_ORIGINS", '["https://a.example"]')
    settings = load_settings(host="::1", profile=None)
    assert (settings.port, settings.host, settings.profile) == (9001, "::1", "webqa")
    assert settings.cors_origins == ("https://a.example",)
    assert settings.loopback


def test_all_faults_of_the_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIZHI_PORT", "banana")
    monkeypatch.setenv("ZHIZHI_FALLBACK", "sometimes")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "ZHIZHI_PORT='banana'" in str(error.value)
    assert "ZHIZHI_FALLBACK='sometimes'" in str(error.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert Settings(host=host).loopback is loopback
