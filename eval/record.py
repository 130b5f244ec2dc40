"""Reply and Record: what a system said to one question, and what that was worth."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

from eval.verdict import Verdict, judge
from kg_builder.question import Question
from retrieval.evidence import Citation
from service.answer import Answer, Route

# Refusals that only retrieval gives.
RETRIEVED = ("no_results", "insufficient_evidence", "conflicting_evidence", "unsupported_answer")
# Refusals that are failures in truth: whoever counted them as refusals would praise an outage.
FAILURES = ("model_unavailable", "search_unavailable", "deadline_exceeded")


class Reply(BaseModel):
    """What a system said. ``text`` is None where it failed, with the reason in ``error``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None
    route: Route = "direct"
    error: str | None = None
    confidence: float | None = None
    abstention: str | None = None  # why the model's own answer was not given
    reason: str | None = None  # why there is no answer at all
    retrieved: bool = False
    cached: bool = False  # a service gave an answer that it had given before: not a latency
    citations: tuple[Citation, ...] = ()
    lm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def of_answer(cls, answer: Answer, *, lm_calls: int = 0) -> Self:
        """The reply of our own service."""
        failed = answer.route == "refused" and answer.reason in FAILURES
        return cls(
            text=None if failed else answer.answer,
            route=answer.route,
            error=answer.explanation or answer.reason if failed else None,
            confidence=answer.confidence,
            abstention=answer.abstention,
            reason=answer.reason,
            # Timings name every part that ran; an answer from the cache has lost them.
            retrieved="retrieval" in answer.timings_ms
            or answer.route == "retrieval"
            or answer.reason in RETRIEVED,
            cached=answer.cached,
            citations=answer.citations,
            lm_calls=lm_calls,
            prompt_tokens=answer.usage.get("prompt_tokens", 0),
            completion_tokens=answer.usage.get("completion_tokens", 0),
        )


class Record(Reply):
    """A reply with its verdict: one line of the ledger."""

    question_id: str
    verdict: Verdict

    @classmethod
    def of(cls, question: Question, reply: Reply) -> Self:
        """The route refused is a refusal, however it is worded; any other text is judged."""
        if reply.text is not None and reply.route == "refused":
            verdict: Verdict = "refused"
        else:
            verdict = judge(question, reply.text)
        return cls(**dict(reply), question_id=question.id, verdict=verdict)
