"""Answer, Route and Abstention: what the endpoint says, which way it came, and why not directly."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language
from retrieval.evidence import Citation, Degraded, Evidence
from training.attempt import OperatingPoint

Route = Literal["direct", "retrieval", "refused"]

Abstention = Literal[
    "model_refused",  # the model said by itself that it does not know
    "low_confidence",  # it answered, below the threshold of the operating point
    "model_unavailable",  # it failed
    "question_too_long",  # the question does not fit into its context
    "deadline_exceeded",  # it was not done in time
    "fallback_always",  # it was not asked: the request wants retrieval
    "no_model",  # there is none: the service answers from documents alone
]


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
    abstention: Abstention | None = None
    confidence: float | None = None
    citations: tuple[Citation, ...] = ()
    closest: tuple[Citation, ...] = ()  # of a refusal: the sentences that came closest
    evidence: tuple[Evidence, ...] = ()
    model: str  # the bundle that made it; "retrieval-only" where no model is served
    index: str | None = None
    provider: str | None = None
    degraded: tuple[Degraded, ...] = ()  # what was down, and could be done without
    threshold: float | None = None
    # Threshold, bound, n and δ that were used; None, as is the threshold, where there is no model.
    operating_point: OperatingPoint | None = None
    cached: bool = False
    timings_ms: dict[str, float] = {}
    usage: dict[str, int] = {}
