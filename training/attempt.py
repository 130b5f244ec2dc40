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


class OperatingPoint(BaseModel):
    """A threshold on the confidence, and what is promised of the answers above it.

    ``certified`` says that precision ≥ ``target_precision`` holds with probability 1 − ``delta`` over the
    draw of the calibration questions. ``bound`` is the exact lower bound at this threshold alone, from the
    ``n`` answers above it: never below the target, and no promise beyond it, since the threshold was
    chosen by the same data. ``coverage`` is the share of the calibration questions answered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    threshold: FiniteFloat = Field(ge=0)  # above 1: nothing is answered
    target_precision: float | None = Field(gt=0, lt=1)
    certified: bool
    bound: float | None = Field(ge=0, le=1)
    n: int = Field(ge=0)
    coverage: float | None = Field(ge=0, le=1)
    delta: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _says_what_it_certifies(self) -> OperatingPoint:
        if self.certified and (
            self.target_precision is None
            or self.bound is None
            or self.bound < self.target_precision
        ):
            raise ValueError(
                f"operating point {self.name!r} is certified, and its bound {self.bound} does not "
                f"reach its target precision {self.target_precision}"
            )
        return self


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
