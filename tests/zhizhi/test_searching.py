"""The service's settings make the web search and the reader that they name: real sockets behind them."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from retrieval.errors import SearchSettingsError
from retrieval.reading.extractive_reader import ExtractiveReader
from retrieval.reading.generative_reader import GenerativeReader
from service.settings import Settings, load_settings
from tests.retrieval.web.conftest import Site, site  # noqa: F401  # a fixture
from training.bundle import resolve_base
from zhizhi.searching import make_chain, web_search

QUESTION = "沈云舟的父亲是谁?"
PAGE = """<html><head><title>沈云舟</title></head><body><article><p>沈云舟的父亲是沈怀远。
他少年时在临江读书，后来随军北上，晚年回到家乡，著书数卷，为乡人所重。</p></article></body></html>"""


def test_nothing_is_searched_unless_named() -> None:
    chain = make_chain(None, Settings())
    assert chain.web is None
    assert isinstance(chain.reader, ExtractiveReader)


async def test_searxng_and_a_page_of_the_house(site: Site) -> None:  # noqa: F811
    url = site.page("/a", PAGE)
    found = {"results": [{"title": "沈云舟", "url": url, "content": "诗人。"}]}
    site.page("/search", json.dumps(found), "application/json")
    open_house = Settings(searxng_url=site.url(""), private_networks="127.0.0.0/8, 10.0.0.0/8")
    reading = await make_chain(None, open_house).aanswer(QUESTION)
    assert reading.answer == "沈怀远"
    assert (reading.citations[0].url, reading.provider) == (url, "searxng")
    # Without leave a page of this network is not fetched: the snippet alone is read.
    closed = Settings(searxng_url=site.url(""))
    assert (await make_chain(None, closed).aanswer(QUESTION)).reason == "insufficient_evidence"


async def test_a_reading_model(site: Site) -> None:  # noqa: F811
    found = {
        "results": [
            {"title": "沈云舟", "url": "http://a.invalid/", "content": "沈云舟的父亲是沈怀远。"}
        ]
    }
    site.page("/search", json.dumps(found), "application/json")
    reply = {"choices": [{"message": {"content": "沈怀远[1]。"}}]}
    site.page("/v1/chat/completions", json.dumps(reply), "application/json")
    chain = make_chain(
        None,
        Settings(searxng_url=site.url(""), reader_url=site.url("/v1"), reader_name="m"),
    )
    assert isinstance(chain.reader, GenerativeReader)
    assert (await chain.aanswer(QUESTION)).answer == "沈怀远。"


async def test_a_reading_model_of_this_process(site: Site) -> None:  # noqa: F811
    found = {
        "results": [{"title": "沈云舟", "url": "http://a.invalid/", "content": "沈怀远之子。"}]
    }
    site.page("/search", json.dumps(found), "application/json")
    settings = Settings(searxng_url=site.url(""), reader_model=str(resolve_base("embedded")))
    chain = make_chain(None, settings)
    assert isinstance(chain.reader, GenerativeReader)
    told = await chain.reader.chat.reply([("user", QUESTION)], max_tokens=8)
    assert told
    # The embedded model cites nothing, so nothing that it says is given.
    reading = await chain.aanswer(QUESTION)
    assert reading.answer is None
    assert reading.reason in {"unsupported_answer", "insufficient_evidence"}
    with pytest.raises(SearchSettingsError, match="Set one of them"):
        make_chain(None, Settings(reader_url="http://a/v1", reader_name="m", reader_model="n"))


async def test_every_provider_down_is_an_honest_refusal_in_time(site: Site) -> None:  # noqa: F811
    def hang(_: BaseHTTPRequestHandler) -> None:
        time.sleep(5)

    site.routes["/search"] = hang
    chain = make_chain(None, Settings(searxng_url=site.url("")))
    started = time.monotonic()
    reading = await chain.aanswer(QUESTION, deadline=started + 1)
    assert time.monotonic() - started < 1.3  # a busy machine's leave
    assert (reading.answer, reading.reason) == (None, "search_unavailable")
    dead = make_chain(None, Settings(searxng_url="http://127.0.0.1:9"))
    assert (await dead.aanswer(QUESTION)).reason == "search_unavailable"


def test_keys_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zhizhi_bocha_key").write_text("secret\n", encoding="utf-8")
    monkeypatch.setenv("ZHIZHI_SECRETS_DIR", str(tmp_path))
    web = web_search(load_settings(search="bocha, ddgs"))
    assert web is not None
    assert web.name == "web:bocha,ddgs"
    assert "secret" not in repr(load_settings())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Settings(search="bocha"), "BOCHA_API_KEY"),
        (Settings(search="altavista"), "altavista"),
        (Settings(search="searxng"), "ZHIZHI_SEARXNG_URL"),
        (Settings(search="ddgs", private_networks="10.0.0.1/8"), "10.0.0.1/8"),
        (Settings(search="ddgs", private_networks="house"), "house"),
        (Settings(reader_url="http://127.0.0.1:9/v1"), "ZHIZHI_READER_NAME"),
    ],
)
def test_a_mistake_is_named(settings: Settings, named: str) -> None:
    with pytest.raises(SearchSettingsError, match=named):
        make_chain(None, settings)
