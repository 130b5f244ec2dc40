"""What the service's settings say about retrieval: the web search and the reader behind a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from retrieval.errors import SearchSettingsError

if TYPE_CHECKING:
    from retrieval.chain import RetrievalChain
    from retrieval.engines import PassageIndex
    from retrieval.reading.reader import Reader
    from retrieval.reranker import Reranker
    from retrieval.web.search import WebSearch
    from service.settings import Settings

SEARXNG = "searxng"


def make_chain(index: PassageIndex | None, settings: Settings) -> RetrievalChain:
    """The chain that the settings describe."""
    from retrieval.chain import ChainSettings, RetrievalChain
    from retrieval.reading.extractive_reader import ExtractiveReader

    return RetrievalChain(
        index,
        web=web_search(settings),
        reader=reader(settings),
        extractive=ExtractiveReader.load(settings.span_reader) if settings.span_reader else None,
        reranker=reranker(settings),
        settings=ChainSettings(order=settings.order),
    )


def web_search(settings: Settings) -> WebSearch | None:
    """None where no provider is named; raises SearchSettingsError where one lacks what it needs."""
    names = [name.strip() for name in settings.search.split(",") if name.strip()]
    if not names and settings.searxng_url:
        names = [SEARXNG]
    if not names:
        return None
    if SEARXNG in names and not settings.searxng_url:
        raise SearchSettingsError(
            f"ZHIZHI_SEARCH={settings.search!r} names searxng, and ZHIZHI_SEARXNG_URL is not set. "
            "Set it to the address of your SearXNG."
        )
    from retrieval.web.fetch import Fetcher
    from retrieval.web.guard import Guard
    from retrieval.web.providers import make_providers
    from retrieval.web.search import WebSearch, WebSettings

    keys = {
        "tavily": _secret(settings.tavily_key),
        "brave": _secret(settings.brave_key),
        "serper": _secret(settings.serper_key),
        "bocha": _secret(settings.bocha_key),
    }
    specs = [f"{name}={settings.searxng_url}" if name == SEARXNG else name for name in names]
    networks = [one.strip() for one in settings.private_networks.split(",") if one.strip()]
    try:
        guard = Guard(allowed=networks)
    except ValueError as error:
        raise SearchSettingsError(
            f"ZHIZHI_PRIVATE_NETWORKS={settings.private_networks!r}: {error}. "
            "Give networks such as 10.1.0.0/16, with commas between them."
        ) from error
    limits = WebSettings(
        per_second=settings.searches_per_second, burst=max(1, round(settings.searches_per_second))
    )
    return WebSearch(make_providers(specs, keys), fetcher=Fetcher(guard), settings=limits)


def reader(settings: Settings) -> Reader | None:
    """A generative reader where a server for it is named, or a model to be run here."""
    if not (settings.reader_url or settings.reader_model):
        return None
    from retrieval.chat_model import OpenAIChat
    from retrieval.reading.generative_reader import GenerativeReader

    if settings.reader_model:
        if settings.reader_url:
            raise SearchSettingsError(
                "ZHIZHI_READER_URL and ZHIZHI_READER_MODEL both name a reading model. Set one of them."
            )
        from training.engine.local import LocalModel
        from zhizhi.reading import LocalChat

        return GenerativeReader(LocalChat(LocalModel.load(settings.reader_model)))
    if not settings.reader_name:
        raise SearchSettingsError(
            f"ZHIZHI_READER_URL={settings.reader_url} needs the model's name: set ZHIZHI_READER_NAME."
        )
    return GenerativeReader(
        OpenAIChat(settings.reader_url, settings.reader_name, key=_secret(settings.reader_key))
    )


def reranker(settings: Settings) -> Reranker | None:
    """A cross-encoder where one is named; it is loaded now, not with the first question."""
    if not settings.reranker:
        return None
    from retrieval.reranker import CrossEncoderReranker

    made = CrossEncoderReranker(settings.reranker)
    made.scores("?", ["?"])
    return made


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
