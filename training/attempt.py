"""Attempt, OperatingPoint, Attempter: the model's own answer to a question, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from training.applicability import Objection
from training.generation import Generation


class Attempt(BaseModel):
    """The model's best answer to one question.

    ``text`` is the best answer even where the model preferred to refuse; ``confidence`` is the
    calibrated probability that it is correct. ``refused`` says that the model said its own refusal
    phrase, which is ``refusal_text``; ``tokens_saved`` of it were not generated, because it was certain
    before. An ``objection`` says that the promise does not reach this question or this answer: the model was
    not asked, or what it said is no answer; its confidence is 0 then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    refused: bool
    refusal_text: str
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)
    signals: dict[str, float]
    generation: Generation
    tokens_saved: int = 0
    objection: Objection | None = None
    stratum: str = ""  # the popularity band of the question's subject, where the bundle tells bands


class RetrievedPoint(BaseModel):
    """The confidence from which on a retrieved answer is given.

    ``certified``: precision ≥ the target of the point holds for these answers too, over the index that
    they were certified with. Else the threshold is the one at which the reader was as precise on the
    questions that it was calibrated on. ``n`` certifying answers lie above it; ``coverage`` is
    their share of the questions that were looked up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: FiniteFloat = Field(ge=0)  # above 1: none is given
    certified: bool
    n: int = Field(default=0, ge=0)
    coverage: float | None = Field(default=None, ge=0, le=1)


class OperatingPoint(BaseModel):
    """A threshold on the confidence, and what is promised of the answers above it.

    ``certified`` says that precision ≥ ``target_precision`` holds with probability 1 − ``delta`` over the
    draw of the calibration entities. It rests on the ``n`` direct answers above the threshold;
    ``coverage`` is the share of the certifying questions answered directly. Questions of the ``closed``
    strata are never answered directly. ``retrieved`` says when a retrieved answer is given; None: that
    was not asked when this point was made.
    """

    # Bundles made before 0.2 hold the bound at the chosen threshold as well, which is no promise.
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    threshold: FiniteFloat = Field(ge=0)  # above 1: nothing is answered
    target_precision: float | None = Field(gt=0, lt=1)
    certified: bool
    n: int = Field(ge=0)
    coverage: float | None = Field(ge=0, le=1)
    delta: float = Field(gt=0, le=1)
    closed: tuple[str, ...] = ()
    retrieved: RetrievedPoint | None = None

    @model_validator(mode="after")
    def _says_what_it_certifies(self) -> OperatingPoint:
        if self.certified and self.target_precision is None:
            raise ValueError(f"operating point {self.name!r} is certified, and names no target")
        return self

    def admits(self, attempt: Attempt) -> bool:
        """Whether the attempt may be given as the answer."""
        sure = attempt.confidence >= self.threshold and attempt.stratum not in self.closed
        return sure and attempt.objection is None and bool(attempt.text.strip())


class QuestionTooLongError(Exception):
    """A question does not fit into the model: ``tokens`` of at most ``most``."""

    def __init__(self, tokens: int, most: int) -> None:
        super().__init__(f"The question has {tokens} tokens, the model takes {most}.")
        self.tokens, self.most = tokens, most


@runtime_checkable
class Measuring(Protocol):
    """An Attempter that can tell how long a question is to it."""

    def question_tokens(self, question: str) -> int:
        """How many tokens it is made of."""

    @property
    def longest_question(self) -> int | None:
        """The most tokens that fit into the model's context with the prompt and an answer; None where
        that is not known."""


@runtime_checkable
class Attempter(Protocol):
    """Batch in, batch out. ``attempt`` keeps the order of ``questions``."""

    name: str

    def attempt(self, questions: Sequence[str]) -> list[Attempt]: ...

    def operating_point(
        self, *, profile: str | None, min_precision: float | None
    ) -> OperatingPoint: ...
