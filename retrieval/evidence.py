"""Evidence, Citation and Reading: what retrieval found, and what a reader made of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.passage import Location, Passage, is_unset

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
    # Of the web: when the page was fetched (ISO 8601, UTC), or that the search engine's snippet stands in
    # for a page that was not.
    fetched: str = Field(default="", exclude_if=is_unset)
    snippet: bool = Field(default=False, exclude_if=is_unset)


class Citation(BaseModel):
    """Support for one span of an answer.

    ``start`` and ``end`` are character offsets into the answer, end exclusive; ``quote`` stands
    verbatim in the passage. ``url`` opens at the page of a PDF. ``snippet``: the quote is the search
    engine's, its page was not read.
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
    location: Location | None = Field(default=None, exclude_if=is_unset)  # of the quote
    fetched: str = Field(default="", exclude_if=is_unset)
    snippet: bool = Field(default=False, exclude_if=is_unset)


def cited(evidence: Evidence, quote: str, *, number: int, start: int = 0, end: int) -> Citation:
    """The evidence as support for ``start`` to ``end`` of an answer."""
    passage = evidence.passage
    return Citation(
        number=number,
        passage_id=passage.id,
        title=passage.title,
        url=passage.url,
        quote=quote,
        start=start,
        end=end,
        source=evidence.source,
    )


def located(citation: Citation, evidence: Evidence) -> Citation:
    """The citation with the place of its quote in the evidence's document, as far as that is known."""
    passage = evidence.passage
    location = passage.location_at(max(0, passage.text.find(citation.quote)))
    url = citation.url
    if location is not None:
        location = location.model_copy(update={"start": 0})
        if location.page and url and "#" not in url:
            url = f"{url}#page={location.page}"
    return citation.model_copy(
        update={
            "location": location,
            "url": url,
            "fetched": evidence.fetched,
            "snippet": evidence.snippet,
        }
    )


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
    # Passages of the web that were not read because they give orders to a machine.
    quarantined: int = Field(default=0, exclude_if=is_unset)
    provider: str = ""
    degraded: tuple[Degraded, ...] = ()
    timings_ms: dict[str, float] = {}
