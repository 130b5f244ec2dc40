"""Evidence, Citation and Reading: what retrieval found, and what a reader made of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.passage import Passage

Reason = Literal[
    "no_results",  # retrieval ran and found nothing
    "insufficient_evidence",  # evidence was found and does not answer the question
    "conflicting_evidence",  # sources disagree and none prevails
    "unsupported_answer",  # the reader answered, but no evidence supports it
    "search_unavailable",  # every provider failed
    "deadline_exceeded",
    "fallback_disabled",
]


# What was down when an answer came about that is an answer all the same.
Degraded = Literal["reader_unavailable"]  # the reading model; the span reader stood in for it


class Evidence(BaseModel):
    """A passage judged against one question. ``score`` is comparable only within one answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passage: Passage
    score: float
    source: Literal["index", "web"] = "index"
    provider: str = ""  # which index or search engine found it


class Citation(BaseModel):
    """Support for one span of an answer.

    ``start`` and ``end`` are character offsets into the answer, end exclusive; ``quote`` stands
    verbatim in the passage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int  # [n] as printed, from 1
    passage_id: str
    title: str
    url: str = ""
    quote: str
    start: int
    end: int
    source: Literal["index", "web"] = "index"


class Reading(BaseModel):
    """What the chain gives back: an answer with at least one citation, or None with a reason.

    ``closest``: where nothing is answered, the sentences that come closest; both sides of a conflict.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: str | None
    confidence: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    reason: Reason | None = None
    citations: tuple[Citation, ...] = ()
    closest: tuple[Citation, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    provider: str = ""
    degraded: tuple[Degraded, ...] = ()
    timings_ms: dict[str, float] = {}
