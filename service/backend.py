"""Backend: one bundle with one index, the threads that run them, and the router over both."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property

from anyio.to_thread import run_sync
from pydantic import BaseModel

from kg_builder.errors import UserError
from retrieval.errors import SearchError
from retrieval.evidence import Reading
from service.batcher import Batcher
from service.loop_thread import LoopThread
from service.problems import Problem
from service.retrieval_only import NEVER, UNCERTIFIED, RetrievalOnly
from service.router import Router
from service.seams import PROFILES, AsyncChain, Chain, Changing, Dated, Graded, Sources
from service.settings import Settings
from training.attempt import (
    Attempt,
    Attempter,
    Measuring,
    OperatingPoint,
    QuestionTooLongError,
    RetrievedPoint,
)

logger = logging.getLogger(__name__)

# The precisions that a client is offered: what of this a bundle can certify is its own affair.
PRECISIONS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
# Batches that are under way at a model server at a time: it makes its own batches of them.
REMOTE_WORKERS = 8
# Longer than this a question does not wait to learn whether the index has changed.
REVISION_SECONDS = 1.0


class Certified(BaseModel):
    """A precision that may be asked for, and the operating point that answers to it."""

    min_precision: float
    point: OperatingPoint


class OperatingPoints(BaseModel):
    """What can be chosen between precision and coverage with this bundle."""

    model: str
    direct: bool  # False where there is no model: every question is looked up
    default: str
    profiles: dict[str, OperatingPoint]
    certified: list[Certified]  # by rising precision; empty where nothing can be certified


def binding(point: OperatingPoint, chain: object, *, strictly: bool = False) -> OperatingPoint:
    """The point with a threshold for retrieved answers too, so that its target binds every answer.

    Where none was certified with what ``chain`` retrieves from, it is that of the reader's own calibration.
    A chain that tells no confidence is not bound, and gives no answer where ``strictly`` that is asked.
    """
    if point.retrieved is not None or point.target_precision is None:
        return point
    found = chain.threshold_for(point.target_precision) if isinstance(chain, Graded) else None
    if found is None and not strictly:
        return point
    threshold = NEVER if found is None or found >= 1 else found
    return point.model_copy(
        update={"retrieved": RetrievedPoint(threshold=threshold, certified=False)}
    )


class Backend:
    """Owns the threads: ``close`` it when the last request that uses it is done."""

    def __init__(
        self,
        attempter: Attempter,
        chain: Chain | None,
        settings: Settings,
        *,
        on_batch: Callable[[int, float], None] | None = None,
        speculate: Callable[[str], bool] | None = None,
    ) -> None:
        self.attempter = attempter
        self.chain = chain
        self.batcher = Batcher(
            attempter,
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            workers=REMOTE_WORKERS if settings.model_url else 1,
            on_batch=on_batch,
        )
        self._threads = ThreadPoolExecutor(settings.retrieval_threads, "retrieval")
        self._retrieval: LoopThread | None = None  # made when a chain wants one
        self._retrieval_places = settings.retrieval_threads
        self._default_profile = settings.profile
        self._max_question_tokens = settings.max_question_tokens
        self._most = settings.max_queue + settings.max_batch  # those that wait, and those in work
        self._points: dict[tuple[str | None, float | None], OperatingPoint | None] = {}
        self.router = Router(
            self._ask if self.has_model else None,
            self._read if chain is not None else None,
            model=self.model,
            index=lambda: self.index,
            speculate=speculate,
            as_of=self._as_of,
        )
        self.retired = False
        self._leases = 0
        self._idle = threading.Condition()

    @property
    def model(self) -> str:
        return self.attempter.name

    @property
    def has_model(self) -> bool:
        """False where every question goes to retrieval at once."""
        return not isinstance(self.attempter, RetrievalOnly)

    @property
    def index(self) -> str | None:
        return None if self.chain is None else self.chain.name

    async def revision(self, seconds: float) -> str | None:
        """The revision of the evidence, "" where it cannot change, None where it could not be learnt within
        ``seconds``."""
        chain = self.chain
        if not isinstance(chain, Changing):
            return ""
        try:
            async with asyncio.timeout(min(seconds, REVISION_SECONDS)):
                # In a thread: an index that another process has changed is opened anew.
                return await run_sync(chain.revision, abandon_on_cancel=True)
        except (TimeoutError, SearchError) as error:
            logger.warning("nothing is cached, the index does not tell its revision: %r", error)
            return None

    def takes(self, seconds: float, *, model: bool = True) -> bool:
        """Whether one more question would be answered within ``seconds``, as far as can be foreseen: whoever
        comes too late is better told at once than answered 「timed out」 after the wait. ``model`` is
        False for a question that is only searched for."""
        if self._leases >= self._most:
            return False
        return not model or (not self.batcher.full and self.batcher.expected_wait <= seconds)

    def check_length(self, question: str) -> None:
        """Raises Problem 422 for a question that nobody is asked, however it would be answered."""
        try:
            self._measure(question, self._max_question_tokens)
        except QuestionTooLongError as error:
            detail = (
                f"The question has {error.tokens} tokens; this server takes at most {error.most}. "
                "Ask the question alone, without the text around it."
            )
            raise Problem(422, "question-too-long", detail) from None

    async def _ask(self, question: str) -> Attempt:
        """The model's attempt; raises QuestionTooLongError where the question does not fit into its
        context: what is cut off or beyond it no calibration knows."""
        if isinstance(self.attempter, Measuring) and self.attempter.longest_question is not None:
            self._measure(question, self.attempter.longest_question)
        return await self.batcher.attempt(question)

    def _measure(self, question: str, most: int) -> None:
        # No token is shorter than a byte: a short question need not be cut into tokens.
        if len(question.encode("utf-8", "replace")) > most and isinstance(
            self.attempter, Measuring
        ):
            tokens = self.attempter.question_tokens(question)
            if tokens > most:
                raise QuestionTooLongError(tokens, most)

    async def _read(self, question: str, sources: Sources, deadline: float) -> Reading:
        chain = self.chain
        assert chain is not None
        if isinstance(chain, AsyncChain):
            if self._retrieval is None:
                self._retrieval = LoopThread("retrieval", self._retrieval_places)
            reading = chain.aanswer(question, sources=sources, deadline=deadline)
            return await self._retrieval.run(reading)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: chain.answer(question, sources=sources, deadline=deadline)
        )

    def _as_of(self, reading: Reading) -> str | None:
        """The day of what an answer cites: of the web today's, of an index that on which it was made."""
        if any(citation.source == "web" for citation in reading.citations):
            return datetime.now(UTC).date().isoformat()
        return self.chain.made_on if isinstance(self.chain, Dated) else None

    def point(self, profile: str | None, min_precision: float | None) -> OperatingPoint:
        """The operating point a request asks for.

        A ``min_precision`` or a ``profile`` that is asked for and cannot be certified raises a Problem that
        says what can. Without a model the calibration of the reader stands in for the certificate. The
        default profile is served whatever it can promise; the answer says what that is.
        """
        unasked = profile is None and min_precision is None and not self.has_model
        name = None if unasked else profile or self._default_profile
        point = self._point(name, min_precision)
        if point is None and min_precision is None:
            known = ", ".join(self.points.profiles)
            raise Problem(
                409, "unknown-profile", f"This bundle has no profile {name!r}. It has: {known}."
            )
        asked = min_precision is not None or (profile is not None and self.has_model)
        if point is not None and (not asked or self._kept(point)):
            return point
        if not self.has_model:
            raise Problem(409, "not-certified", UNCERTIFIED, certifiable=None)
        best = self.points.certified[-1].min_precision if self.points.certified else None
        can = (
            f"the most that it can certify is {best}"
            if best is not None
            else "its calibration set is too small to certify any"
        )
        target = point.target_precision if point is not None else min_precision
        wanted = f"a precision of {target}" + (
            f", which the profile {name!r} needs" if min_precision is None else ""
        )
        raise Problem(
            409,
            "not-certified",
            f"This bundle cannot certify {wanted}: {can}.",
            certifiable=best,
        )

    def _kept(self, point: OperatingPoint) -> bool:
        if self.has_model:
            return point.certified
        return point.retrieved is not None and point.retrieved.threshold < 1

    @cached_property
    def points(self) -> OperatingPoints:
        profiles = {name: self._point(name, None) for name in PROFILES}
        certified: dict[tuple[float, float | None], Certified] = {}
        for precision in PRECISIONS:
            point = self._point(None, precision)
            if point is not None and point.certified:
                # Of precisions that lead to the same thresholds the highest stands for all.
                retrieved = None if point.retrieved is None else point.retrieved.threshold
                certified[point.threshold, retrieved] = Certified(
                    min_precision=precision, point=point
                )
        return OperatingPoints(
            model=self.model,
            direct=self.has_model,
            default=self._default_profile,
            profiles={name: point for name, point in profiles.items() if point is not None},
            certified=sorted(certified.values(), key=lambda c: c.min_precision),
        )

    def _point(self, profile: str | None, min_precision: float | None) -> OperatingPoint | None:
        """None where the bundle refuses. A request's precision goes before its profile."""
        key = (None, min_precision) if min_precision is not None else (profile, None)
        if key not in self._points:
            if len(self._points) > 4096:  # clients choose the keys
                self._points.clear()
            try:
                point = binding(
                    self.attempter.operating_point(profile=key[0], min_precision=key[1]),
                    self.chain,
                    strictly=min_precision is not None,
                )
            except UserError:
                point = None
            self._points[key] = point
        return self._points[key]

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keeps the backend from being retired while a request uses it."""
        with self._idle:
            self._leases += 1
        try:
            yield
        finally:
            with self._idle:
                self._leases -= 1
                self._idle.notify_all()

    def retire(self, timeout: float = 600.0) -> bool:
        """Wait until nobody holds a lease, then close."""
        with self._idle:
            self._idle.wait_for(lambda: self._leases == 0, timeout)
        return self.close(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Finish what waits; False where a thread is still at work after ``timeout`` seconds."""
        done = self.batcher.close(timeout)
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._retrieval is not None:
            done = self._retrieval.close(timeout) and done
        return done
