"""RetrievalChain: retrieve → rank → read → check, as LangChain runnables.

A question that the model would not answer comes here and leaves with an answer that its citations
support, or with the reason why there is none. Nothing is awaited beyond the deadline: what is there by
then is what is read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.files import digest
from retrieval.engines import PassageIndex
from retrieval.errors import ReadingError, SearchError
from retrieval.evidence import Evidence, Reading, Reason, located
from retrieval.quarantine import trusted
from retrieval.ranking import diversify
from retrieval.reading.extractive_reader import ExtractiveReader, default_reader
from retrieval.reading.reader import Reader
from retrieval.reranker import Reranker, rerank

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

logger = logging.getLogger(__name__)

Sources = Literal["index", "web", "both"]
Clock = Callable[[], float]
WARMING = "热身 warming"


class Searcher(Protocol):
    """A source of evidence other than the index. Raises SearchError where no provider answers."""

    @property
    def name(self) -> str: ...

    async def search(
        self, question: str, k: int, *, deadline: float | None = None
    ) -> list[Evidence]: ...


class ChainSettings(BaseModel):
    """How evidence is gathered. ``order`` says which source is asked first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(default=8, ge=1)  # passages that reach the reader
    order: Literal["index_first", "web_first", "together"] = "index_first"
    max_per_source: int = Field(default=4, ge=1)  # passages of one site or document
    max_characters: int = Field(default=6000, ge=100)  # of all passages together
    reading_share: float = Field(default=0.4, gt=0, lt=1)  # of the time left, kept for the reader


@dataclass(frozen=True)
class State:
    """What flows through the chain."""

    question: str
    sources: tuple[Literal["index", "web"], ...]
    deadline: float | None
    evidence: tuple[Evidence, ...] = ()
    reading: Reading | None = None
    failed: tuple[str, ...] = ()  # sources that could not be searched
    distrusted: int = 0  # passages that gave orders and were left out
    late: bool = False  # the time ended before every source had answered
    timings: dict[str, float] = field(default_factory=dict)


class RetrievalChain:
    """Evidence from an index, from the web, or both, and a reader over it.

    ``reader`` is the extractive one unless another is given; a generative reader that fails or is late
    is replaced by ``extractive``, without which the default span reader is loaded.
    """

    def __init__(
        self,
        index: PassageIndex | None = None,
        *,
        web: Searcher | None = None,
        reader: Reader | None = None,
        extractive: ExtractiveReader | None = None,
        reranker: Reranker | None = None,
        settings: ChainSettings | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.index = index
        self.web = web
        self.reranker = reranker
        self.settings = settings or ChainSettings()
        self.fallback = extractive or default_reader()
        self.reader: Reader = reader or self.fallback
        self._clock = clock
        self.runnable = self._compose()
        self.warm()

    @property
    def name(self) -> str:
        """Which evidence was at hand: the index and its version, the web, or both."""
        parts = []
        if self.index is not None:
            parts.append(f"{self.index.folder.name}:{self.index.name}")
        if self.web is not None:
            parts.append(self.web.name)
        return "+".join(parts) or "nothing"

    @property
    def made_on(self) -> str | None:
        """The day on which the index was made, YYYY-MM-DD; None without one."""
        return None if self.index is None else str(self.index.info()["created"])[:10]

    @property
    def identity(self) -> str:
        """Changes with everything that an answer depends on: passages, reader, reranker, settings, web."""
        told = {} if self.index is None else self.index.info()
        passages = {key: told.get(key) for key in ("version", "created", "passages", "embedder")}
        calibration = getattr(self.reader, "calibration", None)
        return digest(
            [
                passages,
                self.reader.name,
                None if calibration is None else calibration.model_dump(mode="json"),
                None if self.reranker is None else type(self.reranker).__name__,
                None if self.web is None else self.web.name,
                self.settings.model_dump(mode="json"),
            ]
        )

    def threshold_for(self, precision: float) -> float | None:
        """The confidence from which on answers may count as that precise, by the reader's own calibration;
        1.0 where none do, None where the reader tells no confidence."""
        if isinstance(self.reader, ExtractiveReader):
            return self.reader.calibration.cautious_threshold(precision)
        return None

    def _compose(self) -> Runnable[State, State]:
        """The chain for LangChain programs: State in, State out."""
        # Imported when a chain is made, not with the first question: that one has a deadline.
        from langchain_core.runnables import RunnableLambda

        return (
            RunnableLambda(self.retrieve)
            | RunnableLambda(self.rank)
            | RunnableLambda(self.read)
            | RunnableLambda(self.check)
        )

    def warm(self) -> None:
        """Load what the first question would load: dictionaries, word lists, the embedder."""
        if self.index is not None:
            self.fallback.read_now(WARMING, self.index.search(WARMING, 1))

    def answer(
        self, question: str, *, sources: Sources = "both", deadline: float | None = None
    ) -> Reading:
        """``aanswer`` for threads that have no event loop."""
        return asyncio.run(self.aanswer(question, sources=sources, deadline=deadline))

    async def aanswer(
        self, question: str, *, sources: Sources = "both", deadline: float | None = None
    ) -> Reading:
        """Read what the sources have on a question.

        ``deadline`` is an instant of ``time.monotonic()``. Never raises for what sources or readers do;
        cancelling it leaves nothing running.
        """
        wanted: tuple[Literal["index", "web"], ...] = (
            ("index", "web") if sources == "both" else (sources,)
        )
        if self.settings.order == "web_first":
            wanted = tuple(reversed(wanted))
        there = tuple(s for s in wanted if (self.index if s == "index" else self.web) is not None)
        if not there:
            return Reading(answer=None, reason="fallback_disabled")
        state = State(question=question, sources=there, deadline=deadline)
        rounds: list[tuple[Literal["index", "web"], ...]] = [there]
        if self.settings.order != "together":
            rounds = [there[:1], *([there[1:]] if len(there) > 1 else [])]
        for number, sources_now in enumerate(rounds):
            state = await self.runnable.ainvoke(replace(state, sources=sources_now))
            assert state.reading is not None
            if state.reading.answer is not None or state.late or number == len(rounds) - 1:
                break
        assert state.reading is not None
        return state.reading

    # ── the four steps ───────────────────────────────────────────────────────────────────────────

    async def retrieve(self, state: State) -> State:
        """Ask the sources at once; what has not come when the searching time ends is left behind."""
        started = self._clock()
        tasks: dict[str, asyncio.Task[list[Evidence]]] = {}
        limit = self._until(state.deadline, 1 - self.settings.reading_share)
        searching: dict[str, Callable[[], Awaitable[list[Evidence]]]] = {
            "index": lambda: self._search_index(state.question),
            "web": lambda: self._search_web(state.question, limit),
        }
        for source in state.sources:
            tasks[source] = asyncio.ensure_future(searching[source]())
        try:
            timeout = None if limit is None else max(0.0, limit - self._clock())
            await asyncio.wait(tasks.values(), timeout=timeout)
        finally:
            for task in tasks.values():
                if not task.done():
                    task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        evidence, failed, late = list(state.evidence), list(state.failed), state.late
        for name, task in tasks.items():
            if task.cancelled():
                late = True
            elif error := task.exception():
                if not isinstance(error, (SearchError, TimeoutError)):
                    # A source that is broken costs itself, not what the others have.
                    logger.error("the source %r failed", name, exc_info=error)
                failed.append(name)
            else:
                evidence += task.result()
        return replace(
            state,
            evidence=tuple(evidence),
            failed=tuple(failed),
            late=late,
            timings=self._timed(state, "retrieve", started),
        )

    async def rank(self, state: State) -> State:
        """Leave out web pages that give orders, rerank, deduplicate, diversify, cut to a reader's measure."""
        started = self._clock()
        believed = trusted(state.evidence)
        chosen = diversify(
            await self._reranked(state, believed),
            limit=self.settings.k * max(1, len({e.source for e in state.evidence})),
            max_per_source=self.settings.max_per_source,
            max_characters=self.settings.max_characters,
        )
        return replace(
            state,
            evidence=tuple(chosen),
            distrusted=state.distrusted + len(state.evidence) - len(believed),
            timings=self._timed(state, "rank", started),
        )

    async def read(self, state: State) -> State:
        started = self._clock()
        if not state.evidence:
            reading = Reading(answer=None, reason=self._nothing(state))
        else:
            reading = await self._read(state)
        return replace(state, reading=reading, timings=self._timed(state, "read", started))

    async def check(self, state: State) -> State:
        """Nothing leaves without support: every citation is looked up in the evidence again."""
        assert state.reading is not None
        reading = supported(state.reading, state.evidence)
        if reading.answer is None and reading.reason == "insufficient_evidence" and state.failed:
            # What was found does not answer, and what might have was not reachable.
            reading = reading.model_copy(update={"reason": "search_unavailable"})
        return replace(
            state,
            reading=reading.model_copy(
                update={"timings_ms": dict(state.timings), "quarantined": state.distrusted}
            ),
        )

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    async def _search_index(self, question: str) -> list[Evidence]:
        assert self.index is not None
        return await asyncio.to_thread(self.index.search, question, self.settings.k)

    async def _search_web(self, question: str, deadline: float | None) -> list[Evidence]:
        assert self.web is not None
        return await self.web.search(question, self.settings.k, deadline=deadline)

    async def _reranked(self, state: State, evidence: list[Evidence]) -> list[Evidence]:
        """By the reranker, if there is one and it is done in time; else as it was."""
        if self.reranker is None:
            return evidence
        limit = self._until(state.deadline, 1 - self.settings.reading_share)
        try:
            async with asyncio.timeout(None if limit is None else max(0.0, limit - self._clock())):
                return await asyncio.to_thread(rerank, state.question, evidence, self.reranker)
        except TimeoutError:
            return evidence

    async def _read(self, state: State) -> Reading:
        limit = self._until(state.deadline, 0.9)
        try:
            async with asyncio.timeout(None if limit is None else max(0.0, limit - self._clock())):
                return await self.reader.read(state.question, state.evidence)
        except TimeoutError:
            if self.reader is self.fallback:
                return Reading(
                    answer=None, reason="deadline_exceeded", evidence=tuple(state.evidence)
                )
        except ReadingError:
            pass
        return await self.fallback.read(state.question, state.evidence)

    @staticmethod
    def _nothing(state: State) -> Reason:
        if state.failed:
            return "search_unavailable"
        if state.distrusted:
            return "insufficient_evidence"
        return "deadline_exceeded" if state.late else "no_results"

    def _until(self, deadline: float | None, share: float) -> float | None:
        """The instant when ``share`` of the time that is left has gone by."""
        if deadline is None:
            return None
        now = self._clock()
        return now + max(0.0, deadline - now) * share

    def _timed(self, state: State, step: str, started: float) -> dict[str, float]:
        spent = round(1000 * (self._clock() - started), 2)
        return {**state.timings, step: round(state.timings.get(step, 0.0) + spent, 2)}


def supported(reading: Reading, evidence: Sequence[Evidence]) -> Reading:
    """The reading with the citations that the evidence bears out, each with the place of its quote.

    A refusal where none is left.
    """
    known = {item.passage.id: item for item in evidence}
    closest = tuple(
        located(citation, known[citation.passage_id]) if citation.passage_id in known else citation
        for citation in reading.closest
    )
    reading = reading.model_copy(update={"closest": closest})
    if reading.answer is None:
        return reading
    kept = tuple(
        located(citation, known[citation.passage_id])
        for citation in reading.citations
        if citation.quote
        and citation.passage_id in known
        and citation.quote in passage_lines(known[citation.passage_id])
        and 0 <= citation.start < citation.end <= len(reading.answer)
    )
    if not kept:
        return Reading(
            answer=None, reason="unsupported_answer", evidence=reading.evidence or tuple(evidence)
        )
    return reading.model_copy(
        update={"citations": kept, "evidence": reading.evidence or tuple(evidence)}
    )


def passage_lines(item: Evidence) -> str:
    """What of a passage may be quoted."""
    return f"{item.passage.title}\n{item.passage.text}"
