"""Attempt, OperatingPoint, Attempter: the model's own answer to a question, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

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
    confidence: float
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
    threshold: float
    target_precision: float | None
    certified: bool
    bound: float | None
    n: int
    coverage: float | None
    delta: float


@runtime_checkable
class Attempter(Protocol):
    """Batch in, batch out. ``attempt`` keeps the order of ``questions``."""

    name: str

    def attempt(self, questions: Sequence[str]) -> list[Attempt]: ...

    def operating_point(
        self, *, profile: str | None, min_precision: float | None
    ) -> OperatingPoint: ...
