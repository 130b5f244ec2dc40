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


class Promise(BaseModel):
    """The part of the operating point's promise that an answer stands under.

    ``certified``: of the answers of this part at least ``target_precision`` are right, with probability
    1 − ``delta`` over the calibration entities. ``calibrated``: its confidence passes the threshold
    that the reader's own calibration gives for the target, with other questions and documents. ``none``:
    nothing is promised; the threshold is the best guess, or there is no confidence to hold against one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: Literal["direct", "retrieved"]
    basis: Literal["certified", "calibrated", "none"]
    target_precision: float | None = None
    delta: float | None = None  # where it is certified


def promise_of(route: Route, point: OperatingPoint) -> Promise | None:
    """The promise for an answer given by ``route`` at ``point``; None for a refusal."""
    if route == "refused":
        return None
    part: Literal["direct", "retrieved"] = "direct" if route == "direct" else "retrieved"
    retrieved = point.retrieved
    basis: Literal["certified", "calibrated", "none"] = "none"
    if point.target_precision is not None:
        if part == "direct":
            basis = "certified" if point.certified else "none"
        elif retrieved is not None:
            basis = "certified" if retrieved.certified else "calibrated"
    return Promise(
        part=part,
        basis=basis,
        target_precision=None if basis == "none" else point.target_precision,
        delta=point.delta if basis == "certified" else None,
    )


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
    # Thresholds, target, n and δ that were used. The threshold is that of a direct answer: None, as is the
    # point, where there is no model.
    operating_point: OperatingPoint | None = None
    promise: Promise | None = None
    cached: bool = False
    timings_ms: dict[str, float] = {}
    usage: dict[str, int] = {}
