"""Providers of search results: one small adapter each, all speaking the same protocol.

    SearXNG   your own instance, JSON API (``json`` must be among its ``search.formats``)
    Tavily    https://docs.tavily.com                      key
    Brave     https://api-dashboard.search.brave.com       key
    Serper    https://serper.dev                           key
    Bocha     https://open.bochaai.com                     key; strong on Chinese pages
    Ddgs      the ddgs package: no key, no guarantee

Keys are taken from the environment unless given; they never stand in a message.
"""

from __future__ import annotations

import asyncio
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import httpx

from retrieval.errors import SearchSettingsError
from retrieval.web.fetch import BodyError, bounded_body

MAX_ANSWER = 4 * 2**20  # bytes of a provider's answer, which has some kilobytes


class WebResult(NamedTuple):
    """One hit of a search engine."""

    title: str
    url: str
    snippet: str


class ProviderError(Exception):
    """A provider gave nothing that could be used, with the reason. The next one is asked."""


class Provider(ABC):
    """``search`` returns results, none where nothing was found, or raises ProviderError."""

    name: ClassVar[str]

    async def search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]:
        """Ask the engine; whatever goes wrong comes out as ProviderError."""
        try:
            try:
                results = await self._search(client, query, k)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # A kept connection that the other end has closed meanwhile: that is no failure.
                results = await self._search(client, query, k)
        except httpx.TimeoutException as error:
            raise ProviderError(f"{self.name}: no answer in time") from error
        except BodyError as error:
            raise ProviderError(f"{self.name}: an answer of {error}") from error
        except httpx.HTTPStatusError as error:
            raise ProviderError(f"{self.name}: status {error.response.status_code}") from error
        except httpx.HTTPError as error:
            raise ProviderError(f"{self.name}: {type(error).__name__}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProviderError(f"{self.name}: an answer that is none ({error!r})") from error
        # JSON may hold halves of characters, which no tokenizer and no hash takes.
        return [WebResult(*(_whole(text) for text in result)) for result in results[:k]]

    @abstractmethod
    async def _search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]: ...


class SearXNG(Provider):
    """A SearXNG instance. Engines that did not respond count only where nothing else was found."""

    name = "searxng"

    def __init__(self, url: str, *, language: str = "auto") -> None:
        self.url = url.rstrip("/")
        self.language = language

    async def _search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]:
        parameters = {"q": query, "format": "json", "language": self.language, "safesearch": 1}
        try:
            answer = await _json(client, "GET", f"{self.url}/search", params=parameters)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 403:
                raise
            raise ProviderError(
                f"{self.name}: status 403. Allow the json format in its settings.yml."
            ) from error
        results = _results(answer["results"], "title", "url", "content")
        if not results and answer.get("unresponsive_engines"):
            down = ", ".join(str(engine[0]) for engine in answer["unresponsive_engines"])
            raise ProviderError(f"{self.name}: engines do not respond: {down}")
        return results


class _Keyed(Provider):
    """A provider with a key."""

    variable: ClassVar[str]  # of the environment
    base: ClassVar[str]

    def __init__(self, key: str | None = None, *, url: str | None = None) -> None:
        key = key or os.environ.get(self.variable)
        if not key:
            raise SearchSettingsError(
                f"Search provider {self.name!r} needs a key. Set {self.variable} or leave it out."
            )
        self._key = key
        self.url = (url or self.base).rstrip("/")


class Tavily(_Keyed):
    name, variable, base = "tavily", "TAVILY_API_KEY", "https://api.tavily.com"

    async def _search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]:
        answer = await _json(
            client,
            "POST",
            f"{self.url}/search",
            headers={"Authorization": f"Bearer {self._key}"},
            json={"query": query, "max_results": k, "search_depth": "basic"},
        )
        return _results(answer["results"], "title", "url", "content")


class Brave(_Keyed):
    name, variable, base = "brave", "BRAVE_API_KEY", "https://api.search.brave.com"

    async def _search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]:
        answer = await _json(
            client,
            "GET",
            f"{self.url}/res/v1/web/search",
            headers={"X-Subscription-Token": self._key, "Accept": "application/json"},
            params={"q": query, "count": min(k, 20)},
        )
        web = answer.get("web") or {}
        return _results(web.get("results") or [], "title", "url", "description")


class Serper(_Keyed):
    name, variable, base = "serper", "SERPER_API_KEY", "https://google.serper.dev"

    async def _search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]:
        answer = await _json(
            client,
            "POST",
            f"{self.url}/search",
            headers={"X-API-KEY": self._key},
            json={"q": query, "num": k},
        )
        return _results(answer.get("organic") or [], "title", "link", "snippet")


class Bocha(_Keyed):
    name, variable, base = "bocha", "BOCHA_API_KEY", "https://api.bochaai.com"

    async def _search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]:
        answer = await _json(
            client,
            "POST",
            f"{self.url}/v1/web-search",
            headers={"Authorization": f"Bearer {self._key}"},
            json={"query": query, "count": k, "summary": True},
        )
        if answer.get("code", 200) != 200:  # it answers 200 and tells the truth inside
            raise ProviderError(f"{self.name}: code {answer['code']}")
        data = answer.get("data") or answer
        pages = (data.get("webPages") or {}).get("value") or []
        for page in pages:
            page["snippet"] = page.get("summary") or page.get("snippet")
        return _results(pages, "name", "url", "snippet")


class Ddgs(Provider):
    """The ddgs package, which reads the result pages of several engines. ``text`` is its call."""

    name = "ddgs"

    def __init__(self, text: Callable[..., list[dict[str, Any]]] | None = None) -> None:
        self._text = text

    async def _search(self, client: httpx.AsyncClient, query: str, k: int) -> list[WebResult]:
        try:
            found = await asyncio.to_thread(self._call, query, k)
        except Exception as error:  # it has a family of its own, and lets others through
            if "no results" in str(error).lower():  # it says so by an exception too
                return []
            raise ProviderError(f"{self.name}: {type(error).__name__}") from error
        return _results(found, "title", "href", "body")

    def _call(self, query: str, k: int) -> list[dict[str, Any]]:
        if self._text is not None:
            return self._text(query, max_results=k)
        from ddgs import DDGS

        return list(DDGS().text(query, max_results=k))


PROVIDERS: dict[str, type[Provider]] = {
    provider.name: provider for provider in (SearXNG, Tavily, Brave, Serper, Bocha, Ddgs)
}


def make_providers(
    specs: Iterable[str], keys: Mapping[str, str | None] | None = None
) -> list[Provider]:
    """Providers by name, in order; ``searxng=http://127.0.0.1:8888`` gives its address.

    ``keys`` are by name; one that is not there is taken from the environment.
    """
    keys = keys or {}
    made: list[Provider] = []
    for spec in specs:
        name, _, url = spec.partition("=")
        if name == SearXNG.name:
            if not url:
                raise SearchSettingsError(
                    "Search provider 'searxng' needs its address: searxng=URL."
                )
            made.append(SearXNG(url))
        elif name in PROVIDERS:
            kind = PROVIDERS[name]
            made.append(
                kind(keys.get(name), url=url or None) if issubclass(kind, _Keyed) else kind()
            )
        else:
            raise SearchSettingsError(
                f"No search provider {name!r}. There are: {', '.join(sorted(PROVIDERS))}."
            )
    return made


async def _json(client: httpx.AsyncClient, method: str, url: str, **sent: Any) -> dict[str, Any]:
    """The JSON object that a provider answers with, of at most MAX_ANSWER bytes."""
    headers = {"Accept-Encoding": "gzip, deflate", **sent.pop("headers", {})}
    async with client.stream(method, url, headers=headers, **sent) as response:
        response.raise_for_status()
        body = await bounded_body(response, MAX_ANSWER, MAX_ANSWER)
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _results(entries: Iterable[dict[str, Any]], title: str, url: str, text: str) -> list[WebResult]:
    """Results that have an address; every other field may be missing."""
    return [
        WebResult(str(entry.get(title) or ""), str(entry[url]), str(entry.get(text) or ""))
        for entry in entries
        if isinstance(entry, dict) and entry.get(url)
    ]
