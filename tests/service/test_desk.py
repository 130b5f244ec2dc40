from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from kg_builder.errors import UserError
from retrieval.evidence import Reading
from service.backend import Backend
from service.cache import AnswerCache, MemoryCache, RedisCache
from service.desk import Desk, Ticket
from service.problems import Problem
from service.requests import QaRequest
from service.router import Outcome
from service.seams import Sources
from service.settings import Settings
from tests.service.world import CAPITAL, FATHER, GUESS, SmallLibrary, SmallModel


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def answered(self, _: Ticket, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture
def notes() -> Notes:
    return Notes()


Make = Callable[..., Desk]


@pytest.fixture
async def make(notes: Notes) -> AsyncIterator[Make]:
    made: list[Desk] = []

    def desk(
        model: SmallModel,
        library: SmallLibrary | None = None,
        cache: AnswerCache | None = None,
        load: Callable[[], Backend] | None = None,
    ) -> Desk:
        settings = Settings()
        backend = Backend(model, library, settings)
        made.append(Desk(settings, backend, cache=cache, observers=[notes], load=load))
        return made[-1]

    yield desk
    for one in made:
        one.backend.close(5)


async def ask(desk: Desk, question: str, **options: object) -> Outcome:
    return await desk.answer(desk.prepare(QaRequest(question=question, **options)))  # type: ignore[arg-type]


async def test_an_answer_is_given_again_from_the_cache(
    make: Make, model: SmallModel, notes: Notes
) -> None:
    desk = make(model, SmallLibrary(), MemoryCache(10, 60))
    first, second = [(await ask(desk, FATHER)).answer for _ in range(2)]
    assert (first.cached, second.cached) == (False, True)
    assert second.answer == first.answer
    assert second.citations == first.citations
    assert second.id != first.id
    assert len(model.batches) == 1
    assert len(notes.outcomes) == 2
    # Another threshold is another question.
    assert not (await ask(desk, FATHER, profile="strict")).answer.cached


async def test_what_passes_is_not_cached(make: Make, model: SmallModel) -> None:
    library = SmallLibrary(error=OSError("down"))
    desk = make(model, library, MemoryCache(10, 60))
    assert (await ask(desk, FATHER)).answer.reason == "search_unavailable"
    library.error = None
    answer = (await ask(desk, FATHER)).answer
    assert (answer.route, answer.cached) == ("retrieval", False)
    # An answer that was retrieved because the model was down is not the usual one either.
    await ask(desk, "crash")
    assert not (await ask(desk, "crash")).answer.cached


async def test_the_memory_cache_forgets() -> None:
    now = 0.0
    cache = MemoryCache(2, 10, clock=lambda: now)
    answer = await an_answer()
    for key in "abc":
        await cache.put(key, answer)
    assert await cache.get("a") is None  # the oldest made room
    assert await cache.get("c") == answer
    now = 11.0
    assert await cache.get("c") is None


async def an_answer() -> object:
    backend = Backend(SmallModel(), None, Settings())
    try:
        return (await ask(Desk(Settings(), backend), CAPITAL)).answer
    finally:
        backend.close(5)


async def test_a_redis_that_is_gone_costs_only_the_cache(make: Make, model: SmallModel) -> None:
    desk = make(model, cache=RedisCache.connect("redis://127.0.0.1:1/0", 60))
    for _ in range(2):
        answer = (await ask(desk, CAPITAL)).answer
        assert (answer.route, answer.cached) == ("direct", False)


async def test_a_reload_serves_the_new_and_finishes_the_old(make: Make) -> None:
    old, new = SmallModel(), SmallModel()
    new.name = "small-2"
    desk = make(old, load=lambda: Backend(new, None, Settings()))
    old.hold.clear()
    before = asyncio.create_task(ask(desk, CAPITAL))
    await asyncio.to_thread(old.started.acquire)
    late = desk.prepare(QaRequest(question=CAPITAL))  # prepared for the old, asked of the new
    reload = asyncio.create_task(desk.reload())
    while desk.backend.model != "small-2":
        await asyncio.sleep(0.001)
    assert (await desk.answer(late)).answer.model == "small-2"
    assert (await ask(desk, CAPITAL)).answer.model == "small-2"
    assert not reload.done()
    old.hold.set()
    assert (await before).answer.model == "small-1"
    await reload
    assert old.batches == [[CAPITAL]]


async def test_a_reload_under_load_loses_no_request(make: Make) -> None:
    desk = make(SmallModel(0.002), SmallLibrary(0.002))

    def load() -> Backend:
        return Backend(SmallModel(0.002), SmallLibrary(0.002), Settings())

    desk._load = load
    stop = threading.Event()
    routes: list[str] = []

    async def client(question: str) -> None:
        while not stop.is_set():
            routes.append((await ask(desk, question)).answer.route)

    clients = [asyncio.create_task(client(q)) for q in (CAPITAL, FATHER, GUESS) * 4]
    for _ in range(5):
        await asyncio.sleep(0.02)
        await desk.reload()
    stop.set()
    await asyncio.gather(*clients)
    assert len(routes) > 20
    assert set(routes) == {"direct", "retrieval", "refused"}


async def test_a_reload_that_fails_changes_nothing(make: Make, model: SmallModel) -> None:
    def load() -> Backend:
        raise UserError("the new bundle is broken")

    desk = make(model, load=load)
    with pytest.raises(UserError):
        await desk.reload()
    assert (await ask(desk, CAPITAL)).answer.model == "small-1"
    with pytest.raises(Problem, match="without a way"):
        await make(model).reload()


async def test_an_observer_that_fails_costs_no_answer(make: Make, model: SmallModel) -> None:
    class Broken:
        def answered(self, _: Ticket, __: Outcome) -> None:
            raise OSError("disk full")

    desk = make(model)
    desk.observers = (Broken(), *desk.observers)
    assert (await ask(desk, CAPITAL)).answer.route == "direct"


async def test_speculation_hides_retrieval_behind_the_model() -> None:
    model, library = SmallModel(0.15), SmallLibrary(0.15)
    backend = Backend(model, library, Settings(), speculate=lambda _: True)
    desk = Desk(Settings(), backend)
    try:
        answer = (await ask(desk, FATHER)).answer
        assert answer.route == "retrieval"
        assert answer.timings_ms["total"] < 280  # one after the other takes 300
        assert len(library.asked) == 1
        direct = (await ask(desk, CAPITAL)).answer
        assert direct.route == "direct"
        assert direct.timings_ms["total"] < 250
        await ask(desk, FATHER, fallback="never")
        assert len(library.asked) == 2
    finally:
        backend.close(5)


async def test_speculation_that_was_not_needed_may_fail_silently(
    caplog: pytest.LogCaptureFixture,
) -> None:
    library = SmallLibrary(error=OSError("down"))
    backend = Backend(SmallModel(0.02), library, Settings(), speculate=lambda _: True)
    try:
        assert (await ask(Desk(Settings(), backend), CAPITAL)).answer.route == "direct"
        assert caplog.records == []
    finally:
        backend.close(5)


class AsyncLibrary(SmallLibrary):
    """The same as a coroutine; tells when it was cancelled."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.pause = seconds
        self.cancelled = threading.Event()
        self.threads: set[str] = set()

    async def aanswer(self, question: str, *, sources: Sources, deadline: float | None) -> Reading:
        self.threads.add(threading.current_thread().name)
        try:
            await asyncio.sleep(self.pause)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return self.answer(question, sources=sources, deadline=deadline)


async def test_a_chain_that_can_be_cancelled_is() -> None:
    library = AsyncLibrary(0.0)
    backend = Backend(SmallModel(), library, Settings())
    desk = Desk(Settings(), backend)
    try:
        assert (await ask(desk, FATHER)).answer.route == "retrieval"
        assert library.threads == {"retrieval"}  # not the loop that serves HTTP
        library.pause = 30.0
        outcome = await ask(desk, FATHER, deadline_ms=50)
        assert outcome.answer.reason == "deadline_exceeded"
        assert await asyncio.to_thread(library.cancelled.wait, 5)
    finally:
        assert backend.close(5)


async def test_reloads_go_one_at_a_time(make: Make, model: SmallModel) -> None:
    """Two models that load at once get into each other's way."""
    going, most, gate = 0, 0, threading.Event()

    def load() -> Backend:
        nonlocal going, most
        going += 1
        most = max(most, going)
        assert gate.wait(20)
        going -= 1
        return Backend(SmallModel(), None, Settings())

    desk = make(model, load=load)
    reloads = [asyncio.create_task(desk.reload()) for _ in range(5)]
    await asyncio.sleep(0.05)
    gate.set()
    results = await asyncio.gather(*reloads, return_exceptions=True)
    assert most == 1
    refused = [result for result in results if isinstance(result, Problem)]
    assert [(p.status, p.name) for p in refused] == [(409, "reload-under-way")] * 4
    assert isinstance(await desk.reload(), Backend)  # and then the next


class Measured(SmallModel):
    """A SmallModel with a token for every two characters, and room for ten."""

    longest_question: int | None = 10

    def question_tokens(self, question: str) -> int:
        return -(-len(question) // 2)


async def test_a_question_beyond_the_context_is_never_answered_from_memory(make: Make) -> None:
    model = Measured()
    long = "岳云" * 15
    outcome = await ask(make(model, SmallLibrary()), long)
    assert (outcome.answer.route, outcome.answer.abstention) == ("retrieval", "question_too_long")
    outcome = await ask(make(model, SmallLibrary()), long, fallback="never")
    assert (outcome.answer.route, outcome.answer.reason) == ("refused", "question_too_long")
    assert outcome.answer.explanation
    assert model.batches == []
    assert (await ask(make(model), CAPITAL)).answer.route == "direct"


async def test_tokens_are_limited_not_characters(make: Make) -> None:
    desk = make(Measured(), SmallLibrary())
    with pytest.raises(Problem) as caught:  # 6,000 characters of the tokens that are allowed
        desk.prepare(QaRequest.model_construct(question="岳" * 6000, fallback=None))
    assert (caught.value.status, caught.value.name) == (422, "question-too-long")
    assert "3000 tokens; this server takes at most 2048" in (caught.value.detail or "")


async def test_a_deadline_counts_from_the_arrival(make: Make, model: SmallModel) -> None:
    asked = QaRequest(question=CAPITAL, deadline_ms=1000)
    ticket = make(model).prepare(asked, time.monotonic() - 0.6)
    assert 0.2 < ticket.request.deadline - time.monotonic() < 0.4001
