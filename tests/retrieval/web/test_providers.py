"""Each provider's own protocol, spoken by a server on a real socket."""

from __future__ import annotations

import gzip
import json
import socket
from typing import Any

import httpx
import pytest

from retrieval.errors import SearchSettingsError
from retrieval.web.providers import (
    MAX_ANSWER,
    PROVIDERS,
    Bocha,
    Brave,
    Ddgs,
    Provider,
    ProviderError,
    SearXNG,
    Serper,
    Tavily,
    WebResult,
    make_providers,
)

from .conftest import Site

FOUND = WebResult("岳云", "https://example.com/a", "岳云的父亲是岳飞。")
SEARXNG = {"results": [{"title": "岳云", "url": FOUND.url, "content": FOUND.snippet}],
           "unresponsive_engines": [["bing", "timeout"]]}  # fmt: skip
TAVILY = {
    "query": "x",
    "results": [{"title": "岳云", "url": FOUND.url, "content": FOUND.snippet, "score": 0.9}],
}
BRAVE = {
    "type": "search",
    "web": {"results": [{"title": "岳云", "url": FOUND.url, "description": FOUND.snippet}]},
}
SERPER = {
    "organic": [{"title": "岳云", "link": FOUND.url, "snippet": FOUND.snippet, "position": 1}]
}
BOCHA = {"code": 200, "data": {"webPages": {"value": [
    {"name": "岳云", "url": FOUND.url, "snippet": "短", "summary": FOUND.snippet}]}}}  # fmt: skip

CASES: list[tuple[type[Provider], str, dict[str, Any]]] = [
    (SearXNG, "/search", SEARXNG),
    (Tavily, "/search", TAVILY),
    (Brave, "/res/v1/web/search", BRAVE),
    (Serper, "/search", SERPER),
    (Bocha, "/v1/web-search", BOCHA),
]


def make(kind: type[Provider], site: Site) -> Provider:
    return SearXNG(site.url("")) if kind is SearXNG else kind("secret-key", url=site.url(""))  # type: ignore[call-arg]


async def ask(provider: Provider, k: int = 5, seconds: float = 5) -> list[WebResult]:
    async with httpx.AsyncClient(timeout=seconds) as client:
        return await provider.search(client, "岳云的父亲", k)


@pytest.mark.parametrize(("kind", "path", "answer"), CASES)
async def test_results(kind: type[Provider], path: str, answer: dict[str, Any], site: Site) -> None:
    site.page(path, json.dumps(answer), "application/json")
    assert await ask(make(kind, site)) == [FOUND]
    method, asked, headers, body = site.seen[0]
    if method == "POST":
        assert "岳云的父亲" in json.loads(body).values()
        assert 5 in json.loads(body).values()
    else:
        assert "%E5%B2%B3%E4%BA%91" in asked
    keys = [
        headers.get(h) for h in ("Authorization", "X-Subscription-Token", "X-Api-Key", "X-API-KEY")
    ]
    assert (kind is SearXNG) == (not any(keys))


@pytest.mark.parametrize(("kind", "path"), [case[:2] for case in CASES])
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, "{}", "status 429"),
        (401, "{}", "status 401"),
        (500, "oops", "status 500"),
        (200, "<html>", "an answer that is none"),
        (200, "[]", "an answer that is none"),
        (200, '{"results": 5, "organic": 5, "web": 5, "webPages": 5}', "an answer that is none"),
    ],
)
async def test_failures(
    kind: type[Provider],
    path: str,
    status: int,
    body: str,
    expected: str,
    site: Site,
) -> None:
    site.page(path, body, "application/json", status)
    with pytest.raises(ProviderError, match=expected) as caught:
        await ask(make(kind, site))
    assert "secret-key" not in str(caught.value)


@pytest.mark.parametrize(("kind", "path"), [case[:2] for case in CASES])
async def test_nothing_found_is_no_failure(kind: type[Provider], path: str, site: Site) -> None:
    site.page(path, '{"results": []}', "application/json")
    assert await ask(make(kind, site)) == []


@pytest.mark.parametrize(("kind", "path"), [case[:2] for case in CASES])
@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_has_a_largest_size(
    kind: type[Provider], path: str, packed: bool, site: Site
) -> None:
    body = b'{"results": "' + b"a" * (MAX_ANSWER + 1) + b'"}'
    encoding = {"Content_Encoding": "gzip"} if packed else {}
    site.page(path, gzip.compress(body) if packed else body, "application/json", **encoding)
    with pytest.raises(ProviderError, match=f"more than {MAX_ANSWER} bytes"):
        await ask(make(kind, site))


async def test_a_connection_that_was_closed_meanwhile_is_tried_again(site: Site) -> None:
    """What a kept connection looks like whose other end has gone: closed without a byte."""
    answered = site.page("/answered", json.dumps({"results": []}), "application/json")
    closings = [1]

    def close(handler: Any) -> None:
        if closings:
            closings.pop()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        else:
            site.routes["/answered"](handler)

    site.routes["/search"] = close
    assert await ask(SearXNG(site.url(""))) == []
    closings += [1, 1]
    with pytest.raises(ProviderError, match=r"RemoteProtocolError|ReadError"):
        await ask(SearXNG(site.url("")))
    assert answered


async def test_silence_is_a_failure(site: Site) -> None:
    with pytest.raises(ProviderError, match="ConnectError"):
        await ask(SearXNG("http://127.0.0.1:1"))

    def wait(handler: Any) -> None:
        handler.rfile.read(1)

    site.routes["/search"] = wait
    with pytest.raises(ProviderError, match="no answer in time"):
        await ask(SearXNG(site.url("")), seconds=0.2)


async def test_unresponsive_engines_with_nothing_found(site: Site) -> None:
    answer = {"results": [], "unresponsive_engines": [["google", "CAPTCHA"], ["bing", "timeout"]]}
    site.page("/search", json.dumps(answer), "application/json")
    with pytest.raises(ProviderError, match="engines do not respond: google, bing"):
        await ask(SearXNG(site.url("")))


async def test_searxng_without_json(site: Site) -> None:
    site.page("/search", "Forbidden", "text/html", 403)
    with pytest.raises(ProviderError, match=r"settings\.yml"):
        await ask(SearXNG(site.url("")))


async def test_bocha_tells_the_truth_inside(site: Site) -> None:
    site.page("/v1/web-search", json.dumps({"code": 403, "msg": "no money"}), "application/json")
    with pytest.raises(ProviderError, match="code 403"):
        await ask(Bocha("k", url=site.url("")))


async def test_results_without_an_address_are_none(site: Site) -> None:
    answer = {"results": [{"title": "x"}, "rubbish", {"url": FOUND.url}]}
    site.page("/search", json.dumps(answer), "application/json")
    assert await ask(SearXNG(site.url(""))) == [WebResult("", FOUND.url, "")]


async def test_ddgs() -> None:
    def text(query: str, max_results: int) -> list[dict[str, Any]]:
        assert (query, max_results) == ("岳云的父亲", 5)
        return [{"title": "岳云", "href": FOUND.url, "body": FOUND.snippet}]

    def blocked(*_: Any, **__: Any) -> list[dict[str, Any]]:
        raise RuntimeError("ratelimit")

    assert await ask(Ddgs(text)) == [FOUND]
    with pytest.raises(ProviderError, match="RuntimeError"):
        await ask(Ddgs(blocked))


def test_the_ddgs_package_has_the_call_that_we_make() -> None:
    import inspect

    from ddgs import DDGS

    assert "max_results" in inspect.signature(DDGS.text).parameters or any(
        p.kind is p.VAR_KEYWORD for p in inspect.signature(DDGS.text).parameters.values()
    )


def test_providers_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAVILY_API_KEY", "k")
    monkeypatch.delenv("BRAVE_API_KEY", raising=False)
    made = make_providers(["searxng=http://127.0.0.1:8888/", "tavily", "ddgs"])
    assert [provider.name for provider in made] == ["searxng", "tavily", "ddgs"]
    assert isinstance(made[0], SearXNG)
    assert made[0].url == "http://127.0.0.1:8888"
    for wrong, message in (
        ("brave", "BRAVE_API_KEY"),
        ("searxng", "searxng=URL"),
        ("altavista", f"There are: {', '.join(sorted(PROVIDERS))}"),
    ):
        with pytest.raises(SearchSettingsError, match=message):
            make_providers([wrong])
