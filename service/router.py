"""Router: direct answer → refusal → retrieval → answer, or refusal with its reason. No HTTP here.

START ──ask──► ASKING ──sure──────► DIRECT
  │              ├────unsure──┐
  ├──────search──┼────────► SEARCHING ──read──► RETRIEVAL
  │              └──give_up──┐   └──give_up──┐
  ├──────give_up─────────────┴──► REFUSED ◄──┘
  └──────chat───► CHAT
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from kg_builder.question import Language
from retrieval.evidence import Citation, Reading
from service.answer import Abstention, Answer, Route, promise_of
from service.batcher import AttemptError
from service.dialogue import is_open
from service.gaps import MISSING, gap_of, refusal
from service.language_pack import language_of, language_pack
from service.seams import Ask, Fallback, Read, Sources
from service.small_talk import SmallTalk, reply, small_talk
from service.time_dependence import is_time_dependent
from training.attempt import Attempt, OperatingPoint, QuestionTooLongError

logger = logging.getLogger(__name__)

# How many of the judged passages travel with an answer.
EVIDENCE_SHOWN = 5
# The reason of a refusal where something was read, not surely enough for the precision that is promised.
BELOW_PRECISION = "below_precision"


class State(StrEnum):
    START = "start"
    ASKING = "asking"
    SEARCHING = "searching"
    DIRECT = "direct"
    RETRIEVAL = "retrieval"
    REFUSED = "refused"
    CHAT = "chat"


class Move(StrEnum):
    ASK = "ask"
    SEARCH = "search"
    SURE = "sure"
    UNSURE = "unsure"
    READ = "read"
    GIVE_UP = "give_up"
    CHAT = "chat"


TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.START, Move.ASK): State.ASKING,
    (State.START, Move.SEARCH): State.SEARCHING,
    (State.START, Move.GIVE_UP): State.REFUSED,
    (State.START, Move.CHAT): State.CHAT,
    (State.ASKING, Move.SURE): State.DIRECT,
    (State.ASKING, Move.UNSURE): State.SEARCHING,
    (State.ASKING, Move.GIVE_UP): State.REFUSED,
    (State.SEARCHING, Move.READ): State.RETRIEVAL,
    (State.SEARCHING, Move.GIVE_UP): State.REFUSED,
}
ENDS: dict[State, Route] = {
    State.DIRECT: "direct",
    State.RETRIEVAL: "retrieval",
    State.REFUSED: "refused",
    State.CHAT: "chat",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One question with everything that decides its way. ``deadline`` is an instant of the
    clock."""

    question: str
    point: OperatingPoint
    deadline: float
    language: Language | None = None
    fallback: Fallback = "auto"
    sources: Sources = "both"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class Step:
    """The router entered ``state``. ``abstention`` says why it did not answer directly."""

    state: State
    abstention: Abstention | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer with what led to it, for the log and the metrics; only ``answer`` leaves the
    house."""

    answer: Answer
    attempt: Attempt | None
    reading: Reading | None
    states: tuple[State, ...]


def judge(attempt: Attempt, point: OperatingPoint) -> Abstention | None:
    """None where the attempt may be given as the answer, else why not.

    The calibrated confidence decides, the refusal phrase being one of the signals it is made of; nothing is
    given where the promise does not reach.
    """
    if attempt.objection is not None:
        return attempt.objection
    if point.admits(attempt):
        return None
    return "model_refused" if attempt.refused else "low_confidence"


def withheld(reading: Reading, point: OperatingPoint) -> bool:
    """Whether what was read is not sure enough for the precision that the point promises."""
    if reading.answer is None or point.retrieved is None:
        return False
    return reading.confidence is None or reading.confidence < point.retrieved.threshold


@dataclass(slots=True)
class _Run:
    """What is known so far about one request."""

    request: Request
    started: float
    state: State = State.START
    states: list[State] = field(default_factory=lambda: [State.START])
    abstention: Abstention | None = None
    reason: str | None = None
    attempt: Attempt | None = None
    reading: Reading | None = None
    timings: dict[str, float] = field(default_factory=dict)
    early: asyncio.Task[Reading] | None = None  # retrieval that began before it was needed
    small_talk: SmallTalk | None = None
    time_dependent: bool = False

    def move(self, move: Move) -> Step:
        self.state = TRANSITIONS[self.state, move]
        self.states.append(self.state)
        return Step(self.state, self.abstention)


class Router:
    """Decides the way of each question.

    ``ask`` (None without a model) puts a question to the model, ``read`` (None without retrieval) to
    the retrieval chain; ``model`` and ``index`` are the names that every answer carries. Where
    ``speculate`` says so of a question, retrieval starts beside the generation and is given up when the
    model knows. ``as_of`` dates the sources of a reading.
    """

    def __init__(
        self,
        ask: Ask | None,
        read: Read | None,
        *,
        model: str,
        index: str | None = None,
        speculate: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
        as_of: Callable[[Reading], str | None] = lambda _: None,
    ) -> None:
        self._as_of = as_of
        self._ask = ask
        self._read = read
        self._model = model
        self._index = index
        self._speculate = speculate
        self._clock = clock

    async def answer(self, request: Request) -> Outcome:
        """Run to the end. Lets QueueFullError and BatcherClosedError through: nothing was decided
        then."""
        async for event in self.run(request):
            if isinstance(event, Outcome):
                return event
        raise AssertionError("the router ended without an outcome")

    async def run(self, request: Request) -> AsyncIterator[Step | Outcome]:
        """Yield a Step for every state that is entered, and the Outcome last."""
        run = _Run(request, self._clock())
        try:
            run.small_talk = small_talk(request.question)
            run.time_dependent = is_time_dependent(request.question)
            if run.small_talk is not None:
                yield run.move(Move.CHAT)
            elif is_open(request.question):
                run.reason = "unresolved_reference"
                yield run.move(Move.GIVE_UP)
            elif request.fallback == "always":
                run.abstention = "fallback_always"
                yield run.move(Move.SEARCH)
            elif self._ask is None:
                run.abstention = "no_model"
                yield run.move(self._without_model(run, "no_model"))
            elif run.time_dependent:
                run.abstention = "time_dependent"
                yield run.move(self._without_model(run, "fallback_disabled"))
            else:
                self._start_early(run)
                yield run.move(Move.ASK)
                yield run.move(await self._attempt(run, self._ask))
            if run.state is State.SEARCHING:
                yield run.move(await self._retrieve(run))
        finally:
            if run.early is not None:
                run.early.cancel()
        yield self._outcome(run)

    def _start_early(self, run: _Run) -> None:
        request = run.request
        if self._read is None or self._speculate is None or request.fallback != "auto":
            return
        if self._speculate(request.question):
            reading = self._read(request.question, request.sources, request.deadline)
            run.early = asyncio.ensure_future(reading)
            # A failure that nobody came to need is nobody's business.
            run.early.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _remaining(self, run: _Run) -> float:
        return max(0.0, run.request.deadline - self._clock())

    def _elapsed(self, since: float) -> float:
        return round(1000 * (self._clock() - since), 2)

    @staticmethod
    def _without_model(run: _Run, reason: str) -> Move:
        if run.request.fallback == "never":
            run.reason = reason
            return Move.GIVE_UP
        return Move.SEARCH

    async def _attempt(self, run: _Run, ask: Ask) -> Move:
        request = run.request
        try:
            async with asyncio.timeout(self._remaining(run)):
                run.attempt = await ask(request.question)
        except TimeoutError:
            run.abstention = run.reason = "deadline_exceeded"
        except AttemptError as error:
            logger.error("request %s: %s", request.id, error, exc_info=error.__cause__)
            run.abstention = "model_unavailable"
        except QuestionTooLongError as error:
            logger.info("request %s: %s", request.id, error)
            run.abstention = "question_too_long"
        else:
            run.abstention = judge(run.attempt, request.point)
        run.timings["direct"] = self._elapsed(run.started)
        if run.abstention is None:
            return Move.SURE
        if run.reason is not None:
            return Move.GIVE_UP
        if request.fallback == "never":
            own = run.abstention in ("model_unavailable", "question_too_long")
            run.reason = run.abstention if own else "fallback_disabled"
            return Move.GIVE_UP
        return Move.UNSURE

    async def _retrieve(self, run: _Run) -> Move:
        request, started = run.request, self._clock()
        if self._read is None:
            run.reason = "fallback_disabled"
            return Move.GIVE_UP
        limit = asyncio.timeout(self._remaining(run))
        try:
            async with limit:
                if run.early is not None:
                    run.reading = await run.early
                else:
                    run.reading = await self._read(
                        request.question, request.sources, request.deadline
                    )
        except Exception as error:
            # A provider's own time-out is not the request's deadline.
            late = isinstance(error, TimeoutError) and limit.expired()
            run.reason = "deadline_exceeded" if late else "search_unavailable"
            if not late:
                logger.exception("request %s: retrieval failed", request.id)
        run.timings["retrieval"] = self._elapsed(started)
        if run.reading is None:
            return Move.GIVE_UP
        run.timings.update({f"retrieval.{k}": v for k, v in run.reading.timings_ms.items()})
        if run.reading.answer is None:
            run.reason = run.reading.reason or "insufficient_evidence"
            return Move.GIVE_UP
        if withheld(run.reading, request.point):
            run.reason = BELOW_PRECISION
            return Move.GIVE_UP
        return Move.READ

    def _outcome(self, run: _Run) -> Outcome:
        request, attempt, reading = run.request, run.attempt, run.reading
        pack = language_pack(request.language or language_of(request.question))
        route = ENDS[run.state]
        confidence = attempt.confidence if attempt else None
        gap = gap_of(request.question, pack.language) if run.reason in MISSING else None
        if attempt is not None and not attempt.signals and attempt.objection is not None:
            confidence = None  # nobody was asked
        # Without a model there is nothing that a threshold could let through.
        point = request.point if self._ask is not None else None
        if route == "direct" and attempt is not None:
            text = attempt.text
        elif route == "retrieval" and reading is not None and reading.answer is not None:
            text, confidence = reading.answer, reading.confidence
        elif run.small_talk is not None:
            text, point = reply(run.small_talk, pack.language), None
        elif attempt is not None and attempt.refused and attempt.refusal_text.strip():
            text = attempt.refusal_text  # the model's own honest words
        else:
            text = refusal(gap, pack.language)
        explanation = pack.explanation(run.reason) if run.reason else None
        as_of = None
        if run.time_dependent and route == "retrieval" and reading is not None:
            as_of = self._as_of(reading)
            explanation = pack.as_of.replace("{date}", as_of) if as_of else None
        run.timings["total"] = self._elapsed(run.started)
        answer = Answer(
            id=request.id,
            question=request.question,
            answer=text,
            route=route,
            language=pack.language,
            reason=run.reason,
            explanation=explanation,
            gap=gap,
            as_of=as_of,
            abstention=run.abstention,
            confidence=confidence,
            citations=reading.citations if route == "retrieval" and reading else (),
            closest=_closest(reading) if route == "refused" and reading else (),
            evidence=reading.evidence[:EVIDENCE_SHOWN] if reading else (),
            model=self._model,
            index=self._index,
            provider=(reading.provider or None) if reading else None,
            threshold=point.threshold if point else None,
            operating_point=point,
            promise=promise_of(route, request.point),
            timings_ms=run.timings,
            usage=_usage(attempt),
        )
        return Outcome(answer, attempt, reading, tuple(run.states))


def _closest(reading: Reading) -> tuple[Citation, ...]:
    """What a refusal shows: of an answer that was withheld, the sentences that it rests on."""
    if reading.answer is None:
        return reading.closest
    return tuple(one.model_copy(update={"start": 0, "end": 0}) for one in reading.citations)


def _usage(attempt: Attempt | None) -> dict[str, int]:
    if attempt is None:
        return {}
    prompt, completion = attempt.generation.prompt_tokens, attempt.generation.completion_tokens
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return usage | ({"tokens_saved": attempt.tokens_saved} if attempt.tokens_saved else {})
