"""Desk: takes a question with its options, fills in the defaults, and has it answered.

Every route asks here, so that defaults, operating points, cache and bookkeeping are the same for all.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from anyio.to_thread import run_sync

from kg_builder.files import digest
from service.answer import Answer
from service.backend import Backend
from service.batcher import BatcherClosedError, QueueFullError
from service.cache import AnswerCache
from service.dialogue import last_question
from service.problems import Problem, queue_full, shutting_down
from service.requests import Example, QaRequest
from service.router import Outcome, Request, Step
from service.settings import Settings

logger = logging.getLogger(__name__)

# Refusals that are nobody's last word: asked again they may go otherwise.
PASSING = frozenset({"deadline_exceeded", "search_unavailable", "model_unavailable"})


@dataclass(frozen=True, slots=True)
class Ticket:
    """A question with nothing left open, and the backend whose operating point it got."""

    asked: QaRequest
    request: Request
    backend: Backend


class Observer(Protocol):
    """Is told of every outcome, in the event loop: it must not block, and may not change a thing."""

    def answered(self, ticket: Ticket, outcome: Outcome) -> None: ...


class Desk:
    """The service without HTTP.

    ``load`` makes a backend anew for ``reload()``; ``observers`` are told of every outcome.
    """

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        *,
        examples: Sequence[Example] = (),
        cache: AnswerCache | None = None,
        observers: Sequence[Observer] = (),
        load: Callable[[], Backend] | None = None,
    ) -> None:
        self.settings = settings
        self.backend = backend
        self.examples = tuple(examples)
        self.cache = cache
        self.observers = tuple(observers)
        self._load = load
        self._loading = asyncio.Lock()

    def prepare(self, asked: QaRequest, arrived: float | None = None) -> Ticket:
        """The question with nothing left open. ``arrived`` is the instant from which its deadline counts;
        now, where none is given.

        Raises the Problem that can be known beforehand: a precision that cannot be certified, a
        full queue, one that the deadline is too short for, a question of too many tokens.
        """
        settings, backend = self.settings, self.backend
        backend.check_length(asked.question)
        point = backend.point(asked.profile, asked.min_precision)
        milliseconds = min(asked.deadline_ms or settings.deadline_ms, settings.max_deadline_ms)
        deadline = (time.monotonic() if arrived is None else arrived) + milliseconds / 1000
        if not backend.takes(deadline - time.monotonic(), model=asked.fallback != "always"):
            raise queue_full(backend.batcher.retry_after)
        request = Request(
            question=last_question([*asked.before, asked.question]),
            point=point,
            deadline=deadline,
            language=asked.language,
            fallback=asked.fallback or settings.fallback,
            sources=asked.sources or settings.sources,
            id=uuid.uuid4().hex,
        )
        return Ticket(asked, request, backend)

    async def run(self, ticket: Ticket) -> AsyncIterator[Step | Outcome]:
        """Every step on the way to the outcome, and the outcome last. Raises Problem."""
        if ticket.backend.retired:  # exchanged since: the new one may have another threshold
            point = self.backend.point(ticket.asked.profile, ticket.asked.min_precision)
            request = replace(ticket.request, point=point)
            ticket = replace(ticket, backend=self.backend, request=request)
        with ticket.backend.lease():
            remembered = await self._remembered(ticket)
            if remembered is not None:
                self._tell(ticket, remembered)
                yield remembered
                return
            try:
                async for event in ticket.backend.router.run(ticket.request):
                    if isinstance(event, Outcome):
                        await self._remember(ticket, event.answer)
                        self._tell(ticket, event)
                    yield event
            except QueueFullError as error:
                raise queue_full(error.retry_after) from error
            except BatcherClosedError as error:
                raise shutting_down() from error

    async def answer(self, ticket: Ticket) -> Outcome:
        outcome: Outcome | None = None
        async for event in self.run(ticket):
            if isinstance(event, Outcome):
                outcome = event
        assert outcome is not None, "the router ended without an outcome"
        return outcome

    async def reload(self) -> Backend:
        """Load bundle and index anew and exchange them; requests in flight finish on the old ones.

        One at a time: models that load at once get into each other's way. Another raises Problem 409.
        """
        if self._load is None:
            raise Problem(501, "no-reload", "This server was started without a way to reload.")
        if self._loading.locked():
            detail = "Another reload is under way; ask again when it is done."
            raise Problem(409, "reload-under-way", detail, headers={"Retry-After": "5"})
        async with self._loading:
            fresh = await run_sync(self._load)
        return await self.exchange(fresh)

    async def exchange(self, backend: Backend) -> Backend:
        """Serve with ``backend`` from now on; retires the old one once nobody uses it any more."""
        old, self.backend = self.backend, backend
        old.retired = True
        logger.info("serving %s with %s", backend.model, backend.index)
        await run_sync(old.retire, abandon_on_cancel=True)
        return backend

    def _tell(self, ticket: Ticket, outcome: Outcome) -> None:
        for observer in self.observers:
            try:
                observer.answered(ticket, outcome)
            except Exception:  # an answer is worth more than the record of it
                logger.exception("%s failed", type(observer).__name__)

    async def _remembered(self, ticket: Ticket) -> Outcome | None:
        if self.cache is None:
            return None
        started = time.monotonic()
        answer = await self.cache.get(cache_key(ticket))
        if answer is None:
            return None
        total = {"total": round(1000 * (time.monotonic() - started), 2)}
        update = {"id": ticket.request.id, "cached": True, "timings_ms": total, "usage": {}}
        return Outcome(answer.model_copy(update=update), None, None, ())

    async def _remember(self, ticket: Ticket, answer: Answer) -> None:
        if self.cache is not None and answer.reason not in PASSING and not _degraded(answer):
            await self.cache.put(cache_key(ticket), answer)


def _degraded(answer: Answer) -> bool:
    """Whether the answer came about because something was down."""
    return answer.abstention in PASSING


def cache_key(ticket: Ticket) -> str:
    """Everything that an answer depends on but the time."""
    request, backend = ticket.request, ticket.backend
    return digest(
        [
            backend.model,
            backend.index,
            request.question,
            request.language,
            request.fallback,
            request.sources,
            request.point.model_dump(),
        ]
    )
