from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from service.batcher import AttemptError, Batcher, BatcherClosedError, QueueFullError
from tests.service.world import CAPITAL, FATHER, HAMLET, SmallModel


@pytest.fixture
def model() -> Iterator[SmallModel]:
    model = SmallModel()
    yield model
    model.hold.set()


async def waiting(batcher: Batcher, count: int) -> None:
    while batcher.depth < count:
        await asyncio.sleep(0.001)


async def test_questions_that_arrive_during_a_batch_share_the_next(model: SmallModel) -> None:
    batcher = Batcher(model)
    model.hold.clear()
    first = asyncio.create_task(batcher.attempt(CAPITAL))
    await asyncio.to_thread(model.started.acquire)
    others = [asyncio.create_task(batcher.attempt(q)) for q in (HAMLET, FATHER, HAMLET)]
    await waiting(batcher, 3)
    model.hold.set()
    texts = [attempt.text for attempt in await asyncio.gather(first, *others)]
    assert texts[0] == "法国的首都是巴黎。"
    assert texts[1] == texts[3] == "William Shakespeare wrote Hamlet."
    assert model.batches == [[CAPITAL], [HAMLET, FATHER]]  # and asked twice, answered once
    assert batcher.close(5)


async def test_a_batch_has_a_largest_size(model: SmallModel) -> None:
    sizes: list[int] = []
    batcher = Batcher(model, max_batch=4, on_batch=lambda size, _: sizes.append(size))
    model.hold.clear()
    first = asyncio.create_task(batcher.attempt("0"))
    await asyncio.to_thread(model.started.acquire)
    rest = [asyncio.create_task(batcher.attempt(str(n))) for n in range(1, 11)]
    await waiting(batcher, 10)
    model.hold.set()
    await asyncio.gather(first, *rest)
    assert [len(batch) for batch in model.batches] == [1, 4, 4, 2]
    assert batcher.close(5)
    assert sizes == [1, 4, 4, 2]


async def test_a_full_queue_refuses_and_says_when_to_come_back(model: SmallModel) -> None:
    batcher = Batcher(model, max_queue=2)
    model.hold.clear()
    tasks = [asyncio.create_task(batcher.attempt("0"))]
    await asyncio.to_thread(model.started.acquire)
    tasks += [asyncio.create_task(batcher.attempt(q)) for q in "12"]
    await waiting(batcher, 2)
    with pytest.raises(QueueFullError) as refusal:
        await batcher.attempt("3")
    assert refusal.value.retry_after >= 1
    model.hold.set()
    assert len(await asyncio.gather(*tasks)) == 3
    assert batcher.close(5)


async def test_a_cancelled_question_is_not_asked(model: SmallModel) -> None:
    batcher = Batcher(model)
    model.hold.clear()
    first = asyncio.create_task(batcher.attempt(CAPITAL))
    await asyncio.to_thread(model.started.acquire)
    gone, stays = (asyncio.create_task(batcher.attempt(q)) for q in (HAMLET, FATHER))
    await waiting(batcher, 2)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    model.hold.set()
    await asyncio.gather(first, stays)
    assert model.batches == [[CAPITAL], [FATHER]]
    assert batcher.close(5)


async def test_a_question_that_breaks_the_model_breaks_alone(model: SmallModel) -> None:
    batcher = Batcher(model)
    model.hold.clear()
    first = asyncio.create_task(batcher.attempt(CAPITAL))
    await asyncio.to_thread(model.started.acquire)
    tasks = [asyncio.create_task(batcher.attempt(q)) for q in (HAMLET, "crash")]
    await waiting(batcher, 2)
    model.hold.set()
    good, bad = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    assert not isinstance(good, BaseException)
    assert good.text == "William Shakespeare wrote Hamlet."
    assert isinstance(bad, AttemptError)
    assert "on fire" in str(bad.__cause__)
    assert batcher.alive
    assert (await batcher.attempt(CAPITAL)).confidence == 0.97
    assert batcher.close(5)


async def test_closing_answers_what_waits_and_takes_no_more(model: SmallModel) -> None:
    batcher = Batcher(model)
    model.hold.clear()
    tasks = [asyncio.create_task(batcher.attempt(q)) for q in (CAPITAL, HAMLET)]
    await asyncio.to_thread(model.started.acquire)
    assert not batcher.close(0.01)  # still at work
    with pytest.raises(BatcherClosedError):
        await batcher.attempt(FATHER)
    model.hold.set()
    assert len(await asyncio.gather(*tasks)) == 2
    assert batcher.close(5)
    assert not batcher.alive


async def test_a_lone_question_does_not_wait_for_company(model: SmallModel) -> None:
    batcher = Batcher(model)
    await batcher.attempt(CAPITAL)
    started = time.perf_counter()
    for _ in range(50):
        await batcher.attempt(CAPITAL)
    assert (time.perf_counter() - started) / 50 < 0.02
    assert batcher.close(5)


async def test_those_who_were_answered_together_are_asked_together(model: SmallModel) -> None:
    model.seconds = 0.1
    batcher = Batcher(model)

    async def client(name: str) -> None:
        for n in range(4):
            await batcher.attempt(f"{name}{n}")
            await asyncio.sleep(
                0.002 * (ord(name) - ord("a"))
            )  # they come back one after the other

    await asyncio.gather(*(client(name) for name in "abc"))
    assert batcher.close(5)
    sizes = [len(batch) for batch in model.batches]
    assert sum(sizes) == 12
    assert len(sizes) <= 6  # not a first one alone, then the others, every time


def test_a_batcher_of_nothing_is_refused(model: SmallModel) -> None:
    with pytest.raises(ValueError, match="max_batch 0"):
        Batcher(model, max_batch=0)


async def test_several_workers_run_batches_side_by_side(model: SmallModel) -> None:
    batcher = Batcher(model, workers=3)
    model.hold.clear()
    tasks = []
    for n in range(3):
        tasks.append(asyncio.create_task(batcher.attempt(str(n))))
        await asyncio.to_thread(model.started.acquire)
    assert batcher.busy_seconds > 0
    model.hold.set()
    await asyncio.gather(*tasks)
    assert batcher.close(5)
    assert not batcher.alive


async def test_a_model_that_fails_as_a_whole_is_said_to_until_it_works(model: SmallModel) -> None:
    batcher = Batcher(model)
    with pytest.raises(AttemptError):
        await batcher.attempt("crash")
    assert "on fire" in (batcher.failing or "")
    await batcher.attempt(CAPITAL)
    assert batcher.failing is None
    assert batcher.close(5)


async def test_nobody_is_asked_for_again_who_has_gone(model: SmallModel) -> None:
    batcher = Batcher(model)
    model.hold.clear()
    first = asyncio.create_task(batcher.attempt("0"))
    await asyncio.to_thread(model.started.acquire)
    gone, crash, stays = (
        asyncio.create_task(batcher.attempt(q)) for q in (HAMLET, "crash", CAPITAL)
    )
    await waiting(batcher, 3)
    model.hold.set()
    model.seconds = 0.2
    await first
    await asyncio.to_thread(model.started.acquire)
    gone.cancel()
    assert (await stays).text == "法国的首都是巴黎。"
    with pytest.raises(AttemptError):
        await crash
    assert batcher.close(5)
    assert model.batches == [["0"], [HAMLET, "crash", CAPITAL], ["crash"], [CAPITAL]]
