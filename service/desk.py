"""Desk: takes a question with its options, fills in the defaults, and has it answered.

Every route asks here, so that defaults, operating points and bookkeeping are the same for all.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence

from service.backend import Backend
from service.batcher import BatcherClosedError, QueueFullError
from service.problems import queue_full, shutting_down
from service.requests import Example, QaRequest
from service.router import Outcome, Request, Step
from service.settings import Settings


class Desk:
    """The service without HTTP."""

    def __init__(
        self, settings: Settings, backend: Backend, *, examples: Sequence[Example] = ()
    ) -> None:
        self.settings = settings
        self.backend = backend
        self.examples = tuple(examples)

    def prepare(self, asked: QaRequest) -> Request:
        """The request with nothing left open.

        Raises the Problem that can be known beforehand: a precision that cannot be certified, a
        full queue.
        """
        settings = self.settings
        point = self.backend.point(asked.profile, asked.min_precision)
        if self.backend.batcher.full and asked.fallback != "always":
            raise queue_full(self.backend.batcher.retry_after)
        milliseconds = min(asked.deadline_ms or settings.deadline_ms, settings.max_deadline_ms)
        return Request(
            question=asked.question,
            point=point,
            deadline=time.monotonic() + milliseconds / 1000,
            language=asked.language,
            fallback=asked.fallback or settings.fallback,
            sources=asked.sources or settings.sources,
            id=uuid.uuid4().hex,
        )

    async def run(self, request: Request) -> AsyncIterator[Step | Outcome]:
        """Every step on the way to the outcome, and the outcome last. Raises Problem."""
        try:
            async for event in self.backend.router.run(request):
                yield event
        except QueueFullError as error:
            raise queue_full(error.retry_after) from error
        except BatcherClosedError as error:
            raise shutting_down() from error

    async def answer(self, request: Request) -> Outcome:
        outcome: Outcome | None = None
        async for event in self.run(request):
            if isinstance(event, Outcome):
                outcome = event
        assert outcome is not None, "the router ended without an outcome"
        return outcome
