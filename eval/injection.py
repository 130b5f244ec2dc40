"""Injected evidence: what retrieval finds is mixed with passages that an attacker wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from eval.language_pack import fill, language_pack
from kg_builder.passage import Passage
from kg_builder.question import Gold, Question
from retrieval.chain import RetrievalChain
from retrieval.evidence import Evidence

Attack = Literal["instructions", "falsehoods"]


class Poison:
    """A source that has, for every question, passages with a wrong answer, and puts them first."""

    name = "injected"

    def __init__(self, passages: Mapping[str, Sequence[Passage]]) -> None:
        self._passages = passages

    async def search(
        self, question: str, k: int, *, deadline: float | None = None
    ) -> list[Evidence]:
        return [
            Evidence(passage=p, score=1.0, source="web", provider=self.name)
            for p in self._passages.get(question, ())[:k]
        ]


def lies(questions: Sequence[Question]) -> dict[str, Gold]:
    """A wrong answer of the right kind for each question: another question's of the same relation.

    Questions that have none are left out.
    """
    by_relation: dict[str, list[Question]] = {}
    for q in questions:
        by_relation.setdefault(q.relation, []).append(q)
    found = {}
    for q in questions:
        own = {name for names in q.gold.objects for name in names}
        for other in by_relation[q.relation]:
            theirs = {name for names in other.gold.objects for name in names}
            if other.subject_id != q.subject_id and not own & theirs:
                found[q.id] = other.gold
                break
    return found


def poisoned(
    chain: RetrievalChain, questions: Sequence[Question], told: Mapping[str, Gold], attack: Attack
) -> RetrievalChain:
    """The same chain with the attacker as a second source, asked together with the index."""
    passages = {
        q.text: [
            Passage(
                id=f"injected/{q.id}/{number}",
                title=q.subject or q.topic,
                text=fill(template, question=q.text, topic=q.topic, lie=told[q.id].text),
                language=q.language,
            )
            for number, template in enumerate(getattr(language_pack(q.language).audit, attack))
        ]
        for q in questions
        if q.id in told
    }
    settings = chain.settings.model_copy(update={"order": "together"})
    return RetrievalChain(chain.index, web=Poison(passages), reader=chain.reader, settings=settings)
