"""The chain: sources, deadlines, cancellation, and that nothing unsupported leaves it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kg_builder.passage import Passage
from retrieval.chain import ChainSettings, ReadingError, RetrievalChain, SearchError, supported
from retrieval.evidence import Citation, Evidence, Reading
from retrieval.index import Index
from retrieval.reading.extractive_reader import default_reader


class Web:
    """A web search that gives what it was told to, after a while."""

    name = "web"

    def __init__(self, found: Sequence[Evidence] | Exception = (), delay: float = 0) -> None:
        self.found, self.delay = found, delay
        self.asked = self.running = 0

    async def search(
        self, question: str, k: int, *, deadline: float | None = None
    ) -> list[Evidence]:
        self.asked += 1
        self.running += 1
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.running -= 1
        if isinstance(self.found, Exception):
            raise self.found
        return list(self.found)


class Generative:
    name = "generative"

    def __init__(self, make: Callable[[Sequence[Evidence]], Reading], delay: float = 0) -> None:
        self.make, self.delay = make, delay

    async def read(self, question: str, evidence: Sequence[Evidence]) -> Reading:
        await asyncio.sleep(self.delay)
        return self.make(evidence)


def page(text: str, site: str = "a.example") -> Evidence:
    passage = Passage(id=f"web:{site}", title="沈云舟", text=text, url=f"https://{site}/1")
    return Evidence(passage=passage, score=1, source="web", provider="test")


@pytest.fixture
def index(passages: list[Passage], tmp_path: Path) -> Index:
    return Index.build(passages, tmp_path / "docs")


FATHER = "沈云舟的父亲是谁?"
TEACHER = "沈云舟的老师是谁?"


async def test_answers_from_the_index(index: Index) -> None:
    reading = await RetrievalChain(index).aanswer(FATHER)
    assert reading.answer == "沈怀远"
    assert reading.citations[0].passage_id == "p0"
    assert reading.provider == "docs"
    assert set(reading.timings_ms) == {"retrieve", "rank", "read"}


def test_answers_without_an_event_loop(index: Index) -> None:
    assert RetrievalChain(index).answer(FATHER).answer == "沈怀远"


async def test_is_a_runnable(index: Index) -> None:
    from langchain_core.runnables import Runnable

    from retrieval.chain import State

    chain = RetrievalChain(index)
    assert isinstance(chain.runnable, Runnable)
    state = await chain.runnable.ainvoke(State(FATHER, ("index",), None))
    assert state.reading is not None
    assert state.reading.answer == "沈怀远"


async def test_the_first_source_that_answers_suffices(index: Index) -> None:
    web = Web([page("沈云舟的老师是白氏。")])
    chain = RetrievalChain(index, web=web)
    assert (await chain.aanswer(FATHER)).citations[0].source == "index"
    assert web.asked == 0
    reading = await chain.aanswer(TEACHER)
    assert (reading.answer, reading.citations[0].source) == ("白氏", "web")
    assert (await chain.aanswer(TEACHER, sources="index")).reason == "insufficient_evidence"


async def test_web_first(index: Index) -> None:
    web = Web([page("沈云舟的父亲是陆九思。")])
    chain = RetrievalChain(index, web=web, settings=ChainSettings(order="web_first"))
    assert (await chain.aanswer(FATHER)).answer == "陆九思"
    together = RetrievalChain(index, web=web, settings=ChainSettings(order="together"))
    assert (await together.aanswer(FATHER)).reason == "conflicting_evidence"


async def test_nothing_to_ask() -> None:
    assert (await RetrievalChain().aanswer(FATHER)).reason == "fallback_disabled"


async def test_unreachable_sources_are_named_as_the_reason(index: Index) -> None:
    web = Web(SearchError("all down"))
    assert (await RetrievalChain(web=web).aanswer(FATHER)).reason == "search_unavailable"
    both = RetrievalChain(index, web=web)
    assert (await both.aanswer(FATHER)).answer == "沈怀远"
    assert (await both.aanswer(TEACHER)).reason == "search_unavailable"
    assert (await RetrievalChain(web=Web()).aanswer(FATHER)).reason == "no_results"


async def test_the_deadline_ends_the_search_and_keeps_what_is_there(index: Index) -> None:
    web = Web([page("沈云舟的老师是白氏。")], delay=30)
    settings = ChainSettings(order="together")
    chain = RetrievalChain(index, web=web, settings=settings)
    started = time.monotonic()
    reading = await chain.aanswer(FATHER, deadline=started + 2)
    assert time.monotonic() - started < 2
    assert reading.answer == "沈怀远"
    assert web.running == 0
    only_web = RetrievalChain(web=web)
    late = await only_web.aanswer(TEACHER, deadline=time.monotonic() + 0.2)
    assert late.reason == "deadline_exceeded"


async def test_a_deadline_in_the_past(index: Index) -> None:
    reading = await RetrievalChain(index).aanswer(FATHER, deadline=time.monotonic() - 1)
    assert reading.reason == "deadline_exceeded"


async def test_cancelled_leaves_nothing_running() -> None:
    web = Web(delay=30)
    task = asyncio.ensure_future(RetrievalChain(web=web).aanswer(FATHER))
    while not web.running:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert web.running == 0
    assert len(asyncio.all_tasks()) == 1


def cited(evidence: Sequence[Evidence], quote: str) -> Reading:
    citation = Citation(
        number=1, passage_id=evidence[0].passage.id, title="", quote=quote, start=0, end=2
    )
    return Reading(answer="胡说", citations=(citation,))


async def test_an_answer_without_support_is_not_given(index: Index) -> None:
    chain = RetrievalChain(index, reader=Generative(lambda e: cited(e, "没有这句话")))
    assert (await chain.aanswer(FATHER)).reason == "unsupported_answer"
    chain = RetrievalChain(index, reader=Generative(lambda _: Reading(answer="胡说")))
    assert (await chain.aanswer(FATHER)).reason == "unsupported_answer"
    chain = RetrievalChain(index, reader=Generative(lambda e: cited(e, "沈云舟")))
    assert (await chain.aanswer(FATHER)).answer == "胡说"


async def test_a_reader_that_fails_or_is_late_is_replaced(index: Index) -> None:
    def fail(_: Sequence[Evidence]) -> Reading:
        raise ReadingError("no model")

    assert (await RetrievalChain(index, reader=Generative(fail)).aanswer(FATHER)).answer == "沈怀远"
    slow = RetrievalChain(index, reader=Generative(fail, delay=30))
    assert (await slow.aanswer(FATHER, deadline=time.monotonic() + 1)).answer == "沈怀远"


@pytest.mark.parametrize(("start", "end"), [(0, 9), (2, 2), (-1, 2)])
def test_offsets_must_lie_in_the_answer(start: int, end: int) -> None:
    evidence = [page("沈云舟的父亲是陆九思。")]
    citation = Citation(number=1, passage_id="web:a.example", title="", quote="陆九思",
                        start=start, end=end)  # fmt: skip
    assert supported(Reading(answer="陆九思", citations=(citation,)), evidence).answer is None


def test_its_identity_changes_with_what_an_answer_depends_on(
    index: Index, passages: list[Passage], tmp_path: Path
) -> None:
    chain = RetrievalChain(index)
    assert RetrievalChain(index).identity == chain.identity
    assert RetrievalChain(index, web=Web([])).identity != chain.identity
    assert RetrievalChain(index, settings=ChainSettings(k=3)).identity != chain.identity
    fewer = Index.build(passages[:1], tmp_path / "fewer")
    assert RetrievalChain(fewer).identity != chain.identity


def test_a_precision_has_a_threshold_where_the_reader_tells_a_confidence(index: Index) -> None:
    chain = RetrievalChain(index)
    calibration = default_reader().calibration
    assert chain.threshold_for(0.9) == calibration.cautious_threshold(0.9)
    assert chain.threshold_for(0.999) == 1.0  # never reached
    generative = RetrievalChain(index, reader=Generative(lambda _: Reading(answer=None)))
    assert generative.threshold_for(0.9) is None
