"""Answer, Route and Abstention: what the endpoint says, which way it came, and why not directly."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language
from retrieval.evidence import Citation, Evidence
from training.attempt import OperatingPoint

# "chat": small talk, which has a fixed reply and nothing to be right or wrong about.
Route = Literal["direct", "retrieval", "refused", "chat"]

Abstention = Literal[
    "model_refused",  # the model said by itself that it does not know
    "low_confidence",  # it answered, below the threshold of the operating point
    "model_unavailable",  # it failed
    "question_too_long",  # the question does not fit into its context
    "deadline_exceeded",  # it was not done in time
    "fallback_always",  # it was not asked: the request wants retrieval
    "time_dependent",  # it was not asked: the answer changes with time
    "other_language",  # it was not asked: it was not calibrated in the question's language
    "outside_calibration",  # it was not asked: the question is not like those it was calibrated on
    "implausible_answer",  # its answer is of another kind than what was asked
    "no_model",  # there is none: the service answers from documents alone
]


class Gap(BaseModel):
    """What is missing for an answer: of whom or what, which attribute, and what would tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str | None  # None where the question names none that can be told
    attribute: str
    document: str  # the kind of document that would answer
    needed: str  # the same as a sentence


class Answer(BaseModel):
    """The outcome of one question, however it was reached.

    A refusal carries the honest sentence in ``answer``, a machine-readable ``reason`` and the same
    in words in ``explanation``. ``confidence`` is the calibrated probability that the direct
    answer (or the reading, on that route) is correct; ``abstention`` says why the model's own
    answer was not given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str
    answer: str
    route: Route
    language: Language = "zh"
    reason: str | None = None
    explanation: str | None = None
    gap: Gap | None = None  # of a refusal: what would be needed to answer
    as_of: str | None = (
        None  # of an answer that changes with time: the day of the sources, YYYY-MM-DD
    )
    abstention: Abstention | None = None
    confidence: float | None = None
    citations: tuple[Citation, ...] = ()
    closest: tuple[Citation, ...] = ()  # of a refusal: the sentences that came closest
    evidence: tuple[Evidence, ...] = ()
    model: str  # the bundle that made it; "retrieval-only" where no model is served
    index: str | None = None
    provider: str | None = None
    threshold: float | None = None
    # Threshold, bound, n and δ that were used; None, as is the threshold, where there is no model.
    operating_point: OperatingPoint | None = None
    cached: bool = False
    timings_ms: dict[str, float] = {}
    usage: dict[str, int] = {}
