"""The web as a source: failover, fetching, ranking, deadlines; a server on a real socket behind it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from retrieval.chain import RetrievalChain, SearchError
from retrieval.web.extract import main_text
from retrieval.web.fetch import Fetcher, FetchSettings
from retrieval.web.guard import Guard
from retrieval.web.providers import Provider, ProviderError, SearXNG, Tavily, WebResult
from retrieval.web.search import WebSearch, WebSettings

from .conftest import Site

ARTICLE = """<html><head><title>{title}</title></head><body><nav>首页 登录 注册</nav><article>
<h1>{title}</h1><p>{text}</p><p>{more}</p></article><footer>版权所有</footer></body></html>"""
MORE = "他在书院读书多年，后来随军北上，晚年回到家乡，著书数卷，为乡人所重。"


class Scripted(Provider):
    """Gives what it was told to, and counts."""

    name = "scripted"

    def __init__(self, *answers: list[WebResult] | Exception) -> None:
        self.answers, self.asked = list(answers), 0

    async def _search(self, client: Any, query: str, k: int) -> list[WebResult]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def searxng(site: Site, *results: WebResult, path: str = "/search") -> SearXNG:
    entries = [{"title": r.title, "url": r.url, "content": r.snippet} for r in results]
    site.page(path, json.dumps({"results": entries}), "application/json")
    return SearXNG(site.url(path.removesuffix("/search")))


async def test_pages_are_fetched_read_and_cited(site: Site, local: Guard) -> None:
    text = "沈云舟的父亲是沈怀远。"
    right = site.page("/right", ARTICLE.format(title="沈云舟", text=text, more=MORE))
    other = site.page("/other", ARTICLE.format(title="临江", text="临江在东海道。", more=MORE))
    provider = searxng(site, WebResult("临江", other, ""), WebResult("沈云舟", right, "摘要"))
    web = WebSearch([provider], fetcher=Fetcher(local))
    evidence = await web.search("沈云舟的父亲是谁?", 3)
    assert evidence[0].passage.url == right
    assert text in evidence[0].passage.text
    assert "登录" not in evidence[0].passage.text
    assert (evidence[0].source, evidence[0].provider) == ("web", "searxng")
    reading = await RetrievalChain(web=web).aanswer("沈云舟的父亲是谁?")
    assert reading.answer == "沈怀远"
    assert reading.citations[0].url == right
    assert reading.citations[0].source == "web"


async def test_a_page_that_cannot_be_had_leaves_its_snippet(site: Site) -> None:
    # The default guard: the result points inside, nothing is fetched from there.
    site.page("/secret", "<p>沈云舟的父亲是内网。</p>")
    provider = searxng(site, WebResult("沈云舟", site.url("/secret"), "沈云舟的父亲是沈怀远。"))
    (evidence,) = await WebSearch([provider]).search("沈云舟的父亲是谁?", 3)
    assert evidence.passage.text == "沈云舟的父亲是沈怀远。"
    assert [path for _, path, _, _ in site.seen if path == "/secret"] == []


async def test_the_next_provider_is_asked(site: Site) -> None:
    site.page("/tavily/search", "{}", "application/json", 503)
    good = searxng(site, WebResult("沈云舟", "https://x.invalid/", "沈云舟的父亲是沈怀远。"))
    down = Tavily("k", url=site.url("/tavily"))
    web = WebSearch([down, good], settings=WebSettings(pages=0))
    name, results = await web.results("沈云舟")
    assert (name, len(results)) == ("searxng", 1)
    assert web.name == "web:tavily,searxng"


async def test_an_empty_answer_is_no_evidence() -> None:
    empty, good = Scripted([]), Scripted([WebResult("t", "https://x.invalid/", "s")])
    assert (await WebSearch([empty, good]).results("问"))[1][0].title == "t"
    assert await WebSearch([empty]).search("问", 3) == []


async def test_questions_without_hits_close_no_provider() -> None:
    """Three of them opened the breaker for everybody."""
    found = [WebResult("沈云舟", "https://x.invalid/", "沈云舟的父亲是沈怀远。")]
    provider = Scripted([], [], [], [], found)
    web = WebSearch([provider], settings=WebSettings(pages=0))
    chain = RetrievalChain(web=web)
    for number in range(4):
        reading = await chain.aanswer(f"没有人知道的{number}是谁?")
        assert (reading.answer, reading.reason) == (None, "no_results")
        assert web.breakers == {"scripted": False}
    assert (await chain.aanswer("沈云舟的父亲是谁?")).answer == "沈怀远"


async def test_our_own_rate_is_waited_for_while_there_is_time() -> None:
    provider = Scripted([WebResult("t", "https://x.invalid/", "s")])
    web = WebSearch([provider], settings=WebSettings(per_second=20, burst=1, pages=0))
    deadline = time.monotonic() + 20
    await asyncio.gather(*(web.results(f"问{n}", deadline) for n in range(6)))
    assert provider.asked == 6
    slow = WebSearch([provider], settings=WebSettings(per_second=0.01, burst=1, pages=0))
    await slow.results("一")
    with pytest.raises(SearchError, match="too often"):
        await slow.results("二", time.monotonic() + 3)


@pytest.mark.parametrize(
    "bad",
    [
        WebResult("bad", "http://xn--a/", "s"),  # IDNA does not decode it
        WebResult("bad", "http://" + "ü" * 70 + ".example/", "s"),
        WebResult("bad", "http://\ud800.example/", "s"),
        WebResult("bad", "http://x.invalid:x/", "\ud800"),
    ],
)
async def test_one_bad_result_costs_itself_alone(bad: WebResult, site: Site, local: Guard) -> None:
    text = "沈云舟的父亲是沈怀远。"
    good = site.page("/good", ARTICLE.format(title="沈云舟", text=text, more=MORE))
    provider = Scripted([bad, WebResult("沈云舟", good, "摘要")])
    web = WebSearch([provider], fetcher=Fetcher(local))
    reading = await RetrievalChain(web=web).aanswer("沈云舟的父亲是谁?")
    assert reading.answer == "沈怀远"


async def test_every_provider_down_is_an_honest_refusal_in_time(site: Site) -> None:
    def silent(_: Any) -> None:
        time.sleep(3)

    site.routes["/search"] = silent
    site.page("/b/search", "{}", "application/json", 500)
    providers = [SearXNG(site.url("")), SearXNG(site.url("/b")), SearXNG("http://127.0.0.1:1")]
    web = WebSearch(providers, settings=WebSettings(provider_seconds=0.3))
    started = time.monotonic()
    reading = await RetrievalChain(web=web).aanswer("沈云舟的父亲是谁?", deadline=started + 2)
    assert (reading.answer, reading.reason) == (None, "search_unavailable")
    assert time.monotonic() - started < 2


async def test_a_failing_provider_is_left_alone_for_a_while() -> None:
    now = [0.0]
    bad = Scripted(ProviderError("x"))
    good = Scripted([WebResult("t", "https://x.invalid/", "s")])
    settings = WebSettings(failures=2, cooling_seconds=10, burst=100, pages=0)
    web = WebSearch([bad, good], settings=settings, clock=lambda: now[0])
    for number in range(5):
        await web.search(f"问{number}", 1)
    assert bad.asked == 2
    now[0] = 10
    await web.search("再问", 1)
    assert bad.asked == 3


async def test_rate_limits_send_on_to_the_next() -> None:
    first, second = (Scripted([WebResult(n, "https://x.invalid/", "s")]) for n in "ab")
    settings = WebSettings(per_second=0.001, burst=1, pages=0)
    web = WebSearch([first, second], settings=settings)
    assert (await web.results("一"))[1][0].title == "a"
    assert (await web.results("二"))[1][0].title == "b"
    with pytest.raises(SearchError, match=r"asked too often \(more than 0\.001/s\)"):
        await web.results("三")


async def test_answers_are_remembered_for_their_lifetime() -> None:
    now = [0.0]
    provider = Scripted([WebResult("t", "https://x.invalid/", "沈云舟")])
    settings = WebSettings(pages=0, cache_seconds=60)
    web = WebSearch([provider], settings=settings, clock=lambda: now[0])
    first = await web.search("沈云舟?", 1)
    assert await web.search("《沈雲舟》", 1) == first
    assert provider.asked == 1
    now[0] = 60
    await web.search("沈云舟?", 1)
    assert provider.asked == 2


async def test_what_came_in_time_is_used_and_not_remembered(site: Site, local: Guard) -> None:
    def slow(_: Any) -> None:
        time.sleep(2)

    site.routes["/slow"] = slow
    fast = site.page(
        "/fast", ARTICLE.format(title="沈云舟", text="沈云舟的父亲是沈怀远。", more=MORE)
    )
    provider = searxng(
        site, WebResult("慢", site.url("/slow"), "慢的摘要"), WebResult("快", fast, "")
    )
    web = WebSearch([provider], fetcher=Fetcher(local, FetchSettings(seconds=5)))
    started = time.monotonic()
    evidence = await web.search("沈云舟的父亲是谁?", 5, deadline=started + 1.5)
    assert time.monotonic() - started < 1.6
    assert "沈怀远" in evidence[0].passage.text
    assert {"慢的摘要"} < {e.passage.text for e in evidence}
    asked = len(site.seen)
    await web.search("沈云舟的父亲是谁?", 5, deadline=time.monotonic() + 0.5)
    assert len(site.seen) > asked


async def test_nobody_to_ask() -> None:
    with pytest.raises(SearchError, match="no search provider"):
        await WebSearch([]).search("问", 1)


@pytest.mark.slow
def test_a_page_made_to_be_slow_is_read_in_part() -> None:
    hostile = ARTICLE.format(title="沈云舟", text="沈云舟的父亲是沈怀远。", more=MORE)
    started = time.process_time()
    found = main_text(hostile.replace("</article>", "<b><i><p>x" * 400_000))
    assert time.process_time() - started < 20
    assert found is not None
    assert len(found[1]) < 300_000
    whole = (
        "<html><body><article>"
        + f"<p>{MORE}</p>" * 10_000
        + "<p>末尾一句。</p></article></body></html>"
    )
    assert "末尾一句。" in (main_text(whole, most=None) or ("", ""))[1]


async def test_after_the_deadline_no_page_is_parsed(site: Site, local: Guard) -> None:
    now = 0.0
    url = site.page("/a", ARTICLE.format(title="沈云舟", text="沈云舟的父亲是沈怀远。", more=MORE))

    class Late(Fetcher):
        async def fetch_into(self, urls: Any, found: Any) -> None:
            nonlocal now
            await super().fetch_into(urls, found)
            now = 100.0

    provider = Scripted([WebResult("沈云舟", url, "摘要在此。")])
    web = WebSearch([provider], fetcher=Late(local), clock=lambda: now)
    evidence = await web.search("沈云舟的父亲是谁?", 3, deadline=50.0)
    assert [item.passage.text for item in evidence] == ["摘要在此。"]
