"""Batcher: concurrent requests share the batches of one model thread, or of a few for a model server.

While one batch runs, the questions that arrive queue up and make the next one, so a lone request
never waits for company and a crowd is served at the price of a batch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from training.attempt import Attempt

logger = logging.getLogger(__name__)

# Weight of the newest batch in the running mean of a batch's duration.
SMOOTHING = 0.2
# Those who were answered together ask again together: the first of them waits this share of a
# batch's duration, and no longer than this many seconds, for the others.
LINGER_SHARE = 0.1
LINGER_SECONDS = 0.02


class Answering(Protocol):
    """The part of an Attempter that the batcher runs, in its own threads."""

    def attempt(self, questions: Sequence[str]) -> list[Attempt]: ...


class QueueFullError(Exception):
    """The queue holds all that it may. ``retry_after`` is in seconds, the time it takes to
    drain."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The queue is full; try again in {retry_after:.1f} s.")
        self.retry_after = retry_after


class BatcherClosedError(Exception):
    """The batcher takes no more questions: the server stops, or the bundle was exchanged."""


class AttemptError(Exception):
    """The model failed on this question; ``__cause__`` says how."""


@dataclass(slots=True)
class _Waiting:
    question: str
    future: Future[Attempt] = field(default_factory=Future)
    given_up: bool = False  # nobody waits for it any more


class Batcher:
    """Runs ``model`` in one thread (``workers`` of them), each with at most ``max_batch`` questions at a
    time, ``max_queue`` waiting.

    ``on_batch`` is told the size and the duration in seconds of every batch, from the model's
    thread.
    """

    def __init__(
        self,
        model: Answering,
        *,
        max_batch: int = 32,
        max_queue: int = 256,
        workers: int = 1,
        on_batch: Callable[[int, float], None] | None = None,
    ) -> None:
        if max_batch < 1 or max_queue < 1:
            raise ValueError(f"max_batch {max_batch} and max_queue {max_queue} must be at least 1")
        self._model = model
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._busy_since: dict[int, float] = {}  # by thread
        self._batch_seconds = 0.05
        self._last_size = 1
        self.failing: str | None = None  # why the last batch failed as a whole
        self._threads = [
            threading.Thread(target=self._work, name=f"batcher-{n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return self.depth >= self._max_queue

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads) and not self._closed

    @property
    def busy_seconds(self) -> float:
        """How long the oldest batch has been running; 0 when the model is idle."""
        since = list(self._busy_since.values())
        return time.monotonic() - min(since) if since else 0.0

    @property
    def expected_wait(self) -> float:
        """Seconds until the queue of now will have drained, at the pace of late."""
        return self.depth / (self._max_batch * len(self._threads)) * self._batch_seconds

    @property
    def retry_after(self) -> float:
        """Seconds after which there will be room."""
        return max(1.0, self.expected_wait + self._batch_seconds)

    async def attempt(self, question: str) -> Attempt:
        """The model's attempt at ``question``.

        Cancelling the caller takes the question out of the queue. Raises QueueFullError,
        BatcherClosedError or AttemptError.
        """
        waiting = _Waiting(question)
        with self._wake:
            if self._closed:
                raise BatcherClosedError("The model takes no more questions.")
            if self.full:
                raise QueueFullError(self.retry_after)
            self._waiting.append(waiting)
            self._wake.notify()
        try:
            return await asyncio.wrap_future(waiting.future)
        except asyncio.CancelledError:
            waiting.given_up = True
            raise

    def close(self, timeout: float | None = None) -> bool:
        """Take no more questions, answer those that wait, and end the threads.

        Returns False where one is still at work after ``timeout`` seconds.
        """
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        until = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while batch := self._next():
            started = time.monotonic()
            self._busy_since[threading.get_ident()] = started
            self._run(batch)
            del self._busy_since[threading.get_ident()]
            seconds = time.monotonic() - started
            self._batch_seconds += SMOOTHING * (seconds - self._batch_seconds)
            if self._on_batch is not None:
                self._on_batch(len(batch), seconds)

    def _next(self) -> list[_Waiting]:
        """The next questions that somebody still waits for; none when closed and drained."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return []
                if self._last_size > 1:  # a lone client never waits for company
                    self._wake.wait_for(
                        lambda: self._closed or len(self._waiting) >= self._last_size,
                        min(LINGER_SECONDS, LINGER_SHARE * self._batch_seconds),
                    )
                count = min(self._max_batch, len(self._waiting))
                taken = [self._waiting.popleft() for _ in range(count)]
            batch = [waiting for waiting in taken if waiting.future.set_running_or_notify_cancel()]
            if batch:
                self._last_size = len(batch)
                return batch

    def _run(self, batch: Sequence[_Waiting]) -> None:
        # A question that several clients ask at once is answered once.
        questions = list(dict.fromkeys(waiting.question for waiting in batch))
        results: dict[str, Attempt | Exception] = {}
        try:
            results.update(zip(questions, self._model.attempt(questions), strict=True))
        except Exception as error:
            if len(questions) == 1:
                results[questions[0]] = error
            else:
                logger.warning("a batch of %d failed (%r): asked one by one", len(questions), error)
                for question in questions:
                    # A server that does not answer has used up the patience of most by now.
                    wanted = any(w.question == question and not w.given_up for w in batch)
                    results[question] = self._one(question) if wanted else error
        failures = [result for result in results.values() if isinstance(result, Exception)]
        self.failing = repr(failures[0]) if len(failures) == len(results) else None
        for waiting in batch:
            result = results[waiting.question]
            if isinstance(result, Exception):
                failure = AttemptError(f"The model failed: {type(result).__name__}")
                failure.__cause__ = result
                waiting.future.set_exception(failure)
            else:
                waiting.future.set_result(result)

    def _one(self, question: str) -> Attempt | Exception:
        """One question by itself, so that it alone bears the failure of its batch."""
        try:
            (attempt,) = self._model.attempt([question])
        except Exception as error:
            return error
        return attempt
