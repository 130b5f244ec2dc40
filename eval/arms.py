"""Arms: the systems that are compared, in this process, each behind the same small protocol.

base                 the base model under a plain prompt: it always answers
prompt_only          the base model under the experiment's prompt, which asks it to refuse when unsure
refusal_phrase       the tuned model's own words: it answers or says 我不知道
calibrated           the tuned model's best answer where its confidence reaches the operating point
calibrated_fallback  the same, with retrieval for what it would refuse
always_retrieve      retrieval for every question, the model unasked

The last three are routed by service.router: what is measured is what is served.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Literal, Protocol, get_args

from eval.record import Reply
from eval.remembered import Remembered
from kg_builder.question import Question
from service.backend import Backend
from service.router import Outcome, Request, Router
from service.seams import Fallback, Sources
from training.attempt import Attempt, OperatingPoint
from training.calibrated import CalibratedModel
from training.generation import Generation, Model, Sampling
from training.language_pack import is_refusal
from training.probe import Told, ask, ask_or_recall

ArmName = Literal[
    "base", "prompt_only", "refusal_phrase", "calibrated", "calibrated_fallback", "always_retrieve"
]
ARMS: tuple[ArmName, ...] = get_args(ArmName)

# An evaluation's own queues must not make a question late that a service would answer in time.
PATIENCE = 3600.0


class Arm(Protocol):
    """A system that is asked. ``replies`` keeps the order; it may batch and remember.

    ``reply_alone`` is what one user with one question gets, nothing remembered: latency is taken from it.
    """

    name: str

    def replies(self, questions: Sequence[Question]) -> list[Reply]: ...

    def reply_alone(self, question: Question) -> Reply: ...


class Prompted:
    """A model under one prompt wording of the language packs. ``told`` is what it is known to say."""

    def __init__(
        self,
        name: str,
        model: Model,
        *,
        prompt: int,
        max_new_tokens: int,
        told: Told | None = None,
    ) -> None:
        self.name = name
        self._model = model
        self._prompt = prompt
        self._sampling = Sampling(max_new_tokens=max_new_tokens)
        self._told = told or {}

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        conversations = [ask(q, self._prompt) for q in questions]
        found = ask_or_recall(self._model, conversations, self._sampling, self._told)
        return [of_generation(g) for g in found]

    def reply_alone(self, question: Question) -> Reply:
        conversation = ask(question, self._prompt)
        return of_generation(self._model.generate([conversation], self._sampling)[0])


class RefusalPhrase:
    """The tuned model's own greedy text, refusals as it words them."""

    name = "refusal_phrase"

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        return [own_words(a) for a in self._remembered.attempts([q.text for q in questions])]

    def reply_alone(self, question: Question) -> Reply:
        attempter = self._remembered.attempter
        if not isinstance(attempter, CalibratedModel):
            return own_words(attempter.attempt([question.text])[0])
        # An attempt at a refused question decodes twice; by the phrase alone once is enough, and no further
        # than to the phrase.
        conversation = attempter.conversation(question.text)
        most = attempter.spec.max_new_tokens
        sampling = Sampling(max_new_tokens=most, stop_at_refusal=True)
        return of_generation(attempter.model.generate([conversation], sampling)[0])


class Routed:
    """The service's own router over the model and the chain, at one operating point."""

    def __init__(
        self,
        name: str,
        remembered: Remembered,
        backend: Backend,
        point: OperatingPoint,
        *,
        fallback: Fallback,
        sources: Sources = "index",
    ) -> None:
        self.name = name
        self._remembered = remembered
        self._backend = backend
        self._point = point
        self._fallback = fallback
        self._sources = sources
        self._router = Router(
            remembered.ask,
            None if remembered.chain is None else remembered.read,
            model=backend.model,
            index=lambda: backend.index,
        )

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        if self._fallback != "always":
            self._remembered.attempts([q.text for q in questions])  # one batch for all

        async def together() -> list[Outcome]:
            return await asyncio.gather(*(self._router.answer(self._request(q)) for q in questions))

        return [_of_outcome(o) for o in asyncio.run(together())]

    def reply_alone(self, question: Question) -> Reply:
        return _of_outcome(asyncio.run(self._backend.router.answer(self._request(question))))

    def _request(self, question: Question) -> Request:
        return Request(
            question.text,
            self._point,
            time.monotonic() + PATIENCE,
            language=question.language,
            fallback=self._fallback,
            sources=self._sources,
        )


def of_generation(generation: Generation) -> Reply:
    return Reply(
        text=generation.text,
        route="refused" if is_refusal(generation.text) else "direct",
        lm_calls=1,
        prompt_tokens=generation.prompt_tokens,
        completion_tokens=generation.completion_tokens,
    )


def own_words(attempt: Attempt) -> Reply:
    """What the model said by itself. Of a refusal the tokens are those of the answer it held back."""
    return Reply(
        text=attempt.refusal_text if attempt.refused else attempt.text,
        route="refused" if attempt.refused else "direct",
        confidence=attempt.confidence,
        lm_calls=1,
        prompt_tokens=attempt.generation.prompt_tokens,
        completion_tokens=attempt.generation.completion_tokens,
    )


def _of_outcome(outcome: Outcome) -> Reply:
    attempt = outcome.attempt
    return Reply.of_answer(
        outcome.answer, lm_calls=0 if attempt is None else 2 if attempt.refused else 1
    )
