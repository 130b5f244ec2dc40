"""GenerativeReader: a chat model reads the evidence, and what it says is checked against it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.chat_model import ChatModel
from retrieval.documents import language_of
from retrieval.evidence import Evidence, Reading, Reason
from retrieval.reading.citations import cited_answer
from retrieval.reading.extractive_reader import default_reader
from retrieval.reading.reading_pack import reading_pack
from retrieval.reading.reading_prompt import messages
from retrieval.reading.span_reader import SpanReader
from retrieval.reading.support import span_opinion

_THINKING = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.S)


class GenerativeReader:
    """Answers in the model's words, as far as its citations support them; refuses otherwise.

    ``spans`` is asked what the cited sentences answer: its opinion counts in the support check. The
    default span reader where none is given.
    """

    def __init__(
        self, chat: ChatModel, *, max_tokens: int = 400, spans: SpanReader | None = None
    ) -> None:
        self.chat = chat
        self.spans = spans or default_reader().spans
        self.name = f"generative:{chat.name}"
        self.max_tokens = max_tokens

    async def read(self, question: str, evidence: Sequence[Evidence]) -> Reading:
        """Raises ReadingError where the model fails: the chain then reads without it."""
        if not evidence:
            return _refused("no_results", evidence)
        pack = reading_pack(language_of(question))
        reply = await self.chat.reply(
            messages(question, evidence, pack), max_tokens=self.max_tokens
        )
        reply = _THINKING.sub("", reply).strip()
        if reply.lower().startswith(pack.conflicting):
            return _refused("conflicting_evidence", evidence)
        if not reply or pack.is_refusal(reply.lower()):
            return _refused("insufficient_evidence", evidence)
        answer, citations = cited_answer(reply, question, evidence, pack, span_opinion(self.spans))
        if not citations:
            return _refused("unsupported_answer", evidence)
        providers = {item.passage.id: item.provider for item in evidence}
        return Reading(
            answer=answer,
            citations=citations,
            evidence=tuple(evidence),
            provider=providers[citations[0].passage_id],
        )


def _refused(reason: Reason, evidence: Sequence[Evidence]) -> Reading:
    return Reading(answer=None, reason=reason, evidence=tuple(evidence))
