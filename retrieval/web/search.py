"""WebSearch: ask providers in order, fetch what they name, keep the passages that fit the question."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import httpx
from pydantic import BaseModel, ConfigDict, Field

from kg_builder.passage import Passage
from retrieval.canonical import key
from retrieval.chunking import ChunkSettings, chunks
from retrieval.documents import language_of
from retrieval.errors import SearchError
from retrieval.evidence import Evidence
from retrieval.scoring import score
from retrieval.store import PART
from retrieval.web.extract import MAX_HTML, main_text
from retrieval.web.fetch import Fetcher, FetchError, Page
from retrieval.web.providers import Provider, ProviderError, WebResult
from retrieval.web.resilience import Cache, CircuitBreaker, RateLimit

logger = logging.getLogger(__name__)

SHARE, LAST_SHARE = 0.5, 0.9  # of the time left that one provider may take


class WebSettings(BaseModel):
    """How the web is searched. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: int = Field(default=8, ge=1)  # asked of a provider
    pages: int = Field(default=5, ge=0)  # of these are fetched; of the rest the snippet is read
    provider_seconds: float = Field(default=4.0, gt=0)
    fetch_share: float = Field(default=0.7, gt=0, le=1)  # of the time left after the search
    per_second: float = Field(default=5.0, gt=0)  # calls to each provider
    burst: int = Field(default=5, ge=1)
    failures: int = Field(default=3, ge=1)  # in a row, before a provider is left alone
    cooling_seconds: float = Field(default=30.0, gt=0)
    cache_size: int = Field(default=1000, ge=0)
    cache_seconds: float = Field(default=3600.0, ge=0)
    chunk: ChunkSettings = ChunkSettings(size=300, overlap=60)


@lru_cache(maxsize=1)
def _provider_ssl() -> ssl.SSLContext:
    """With what the environment adds: a provider may have a certificate of the house."""
    return httpx.create_ssl_context()


class _Lane:
    """One provider with what is known about its health."""

    def __init__(
        self, provider: Provider, settings: WebSettings, clock: Callable[[], float]
    ) -> None:
        self.provider = provider
        self.breaker = CircuitBreaker(settings.failures, settings.cooling_seconds, clock=clock)
        self.limit = RateLimit(settings.per_second, settings.burst, clock)


class WebSearch:
    """A Searcher over the web. Answers and pages are cached by question."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        fetcher: Fetcher | None = None,
        settings: WebSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or WebSettings()
        self.fetcher = fetcher or Fetcher()
        self._clock = clock
        self._lanes = [_Lane(provider, self.settings, clock) for provider in providers]
        self._cache: Cache[list[Evidence]] = Cache(
            self.settings.cache_size, self.settings.cache_seconds, clock
        )

    @property
    def name(self) -> str:
        return "web:" + ",".join(lane.provider.name for lane in self._lanes)

    @property
    def breakers(self) -> dict[str, bool]:
        """The providers, and whether each is left alone because it failed lately."""
        return {lane.provider.name: lane.breaker.open for lane in self._lanes}

    async def search(
        self, question: str, k: int, *, deadline: float | None = None
    ) -> list[Evidence]:
        """Passages from the web, best first, none where nothing was found; raises SearchError where no
        provider could be asked.

        ``deadline`` is an instant of the clock. What is fetched by then is used, of other pages the
        search engine's own snippet.
        """
        cached = self._cache.get(key(question))
        if cached is not None:
            return cached[:k]
        provider, results = await self.results(question, deadline)
        if not results:
            return []  # not remembered: it may be there in a minute
        pages = await self._pages(results, deadline)
        fetched = datetime.now(UTC).isoformat(timespec="seconds")
        passages, snippets = await asyncio.to_thread(self._passages, results, pages, deadline)
        ranked = await asyncio.to_thread(score, question, passages)
        evidence = [
            Evidence(
                passage=passages[place],
                score=value,
                source="web",
                provider=provider,
                fetched=fetched,
                snippet=passages[place].id in snippets,
            )
            for place, value in ranked
        ]
        # What a short deadline left half fetched is not remembered in place of the whole.
        if len(pages) == len({result.url for result in results[: self.settings.pages]}):
            self._cache.put(key(question), evidence)
        return evidence[:k]

    async def results(
        self, question: str, deadline: float | None = None
    ) -> tuple[str, list[WebResult]]:
        """The first provider's results, with its name; the next one is asked where one fails or finds
        nothing. Calls beyond a provider's rate wait, as long as the deadline leaves time for an answer."""
        failures: list[str] = []
        without: list[str] = []  # providers that found nothing
        # Providers are the deployment's own choice and may be local: the guard is for pages.
        seconds = self.settings.provider_seconds
        async with httpx.AsyncClient(timeout=seconds, verify=_provider_ssl()) as client:
            for number, lane in enumerate(self._lanes, 1):
                name = lane.provider.name
                left = self._left(deadline)
                if left <= 0:
                    failures.append(f"{name}: no time left")
                    break
                if not lane.breaker.admit():
                    failures.append(f"{name}: failed lately")
                    continue
                # One that hangs leaves time for the next, and the last for saying that all did.
                share = SHARE if number < len(self._lanes) else LAST_SHARE
                pause = lane.limit.reserve(min(self.settings.provider_seconds, left * share / 2))
                if pause is None:
                    lane.breaker.abandoned()
                    failures.append(
                        f"{name}: asked too often (more than {self.settings.per_second:g}/s)"
                    )
                    continue
                seconds = min(self.settings.provider_seconds, left * share - pause)
                try:
                    await asyncio.sleep(pause)
                    async with asyncio.timeout(seconds):
                        found = await lane.provider.search(client, question, self.settings.results)
                except (ProviderError, TimeoutError) as error:
                    lane.breaker.failed()
                    failures.append(str(error) or f"{name}: no answer within {seconds:.1f} s")
                    logger.warning("search: %s", failures[-1])
                except BaseException:
                    lane.breaker.abandoned()
                    raise
                else:
                    lane.breaker.succeeded()
                    if found:
                        return name, found
                    without.append(name)
        if without:
            return without[0], []
        raise SearchError("; ".join(failures) or "no search provider is configured")

    def _left(self, deadline: float | None) -> float:
        return float("inf") if deadline is None else deadline - self._clock()

    async def _pages(
        self, results: Sequence[WebResult], deadline: float | None
    ) -> dict[str, Page | FetchError]:
        """What could be fetched in time; a late page is given up, not the others with it."""
        left = self._left(deadline) * self.settings.fetch_share
        urls = [result.url for result in results[: self.settings.pages]]
        if left <= 0 or not urls:
            return {}
        found: dict[str, Page | FetchError] = {}
        try:
            async with asyncio.timeout(None if left == float("inf") else left):
                await self.fetcher.fetch_into(urls, found)
        except TimeoutError:
            logger.info("search: %d of %d pages came in time", len(found), len(urls))
        return found

    def _passages(
        self,
        results: Sequence[WebResult],
        pages: dict[str, Page | FetchError],
        deadline: float | None,
    ) -> tuple[list[Passage], set[str]]:
        """The passages of all results, and the ids of those that are snippets of pages not read."""
        passages: list[Passage] = []
        snippets: set[str] = set()
        for result in results:
            # A thread cannot be cancelled: it looks at the clock before every page.
            page = pages.get(result.url) if self._left(deadline) > 0 else None
            try:
                found, is_snippet = self._passages_of(result, page)
            except Exception:  # whatever a page brings about costs that page alone
                logger.exception("search: a page could not be read")
                continue
            passages += found
            if is_snippet:
                snippets.update(passage.id for passage in found)
        return passages, snippets

    def _passages_of(
        self, result: WebResult, page: Page | FetchError | None
    ) -> tuple[list[Passage], bool]:
        """The passages of one result, and whether they are its snippet, its page not read."""
        title, text, is_snippet = result.title, result.snippet, True
        if isinstance(page, Page):
            if page.content_type in ("text/plain", "text/markdown"):
                text, is_snippet = page.text[:MAX_HTML], False
            elif extracted := main_text(page.text):
                title, text = extracted[0] or title, extracted[1]
                is_snippet = False
        mark = hashlib.sha256(result.url.encode("utf-8", "replace")).hexdigest()[:16]
        passages = [
            Passage(
                id=f"web-{mark}{PART}{number}",
                title=title or result.title,
                text=piece,
                url=result.url,
                language=language_of(piece),
            )
            for number, piece in enumerate(chunks(text, self.settings.chunk))
        ]
        return passages, is_snippet
