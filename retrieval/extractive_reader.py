"""ExtractiveReader: answers with words of the evidence, or refuses. Needs no language model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from retrieval.canonical import key
from retrieval.evidence import Citation, Evidence, Reading, Reason
from retrieval.extraction import Candidate, extract
from retrieval.reader_model import ReaderModel
from retrieval.wording import WordingTable, subject_key

MIN_FIT = 0.05  # below it the sentence more likely states a relation that shares the wording


class ExtractiveReader:
    """The object of the sentence that states what is asked, with that sentence as citation."""

    name = "extractive"

    def __init__(self, model: ReaderModel | None = None) -> None:
        self.model = model or ReaderModel.untrained()
        self.table = WordingTable(self.model.relations)
        self._values = {relation.id: relation.values for relation in self.model.relations}

    async def read(self, question: str, evidence: Sequence[Evidence]) -> Reading:
        return await asyncio.to_thread(self.read_now, question, evidence)

    def read_now(self, question: str, evidence: Sequence[Evidence]) -> Reading:
        """The same, for callers that are not asynchronous."""
        if not evidence:
            return self._refuse("no_results", evidence)
        names = dict.fromkeys(subject_key(item.passage.title) for item in evidence)
        asked = self.table.ask(question, names)
        candidates = [
            candidate
            for candidate in extract(asked, evidence, self.table, self.model.objects)
            if candidate.fit >= MIN_FIT
        ]
        if not candidates:
            return self._refuse("insufficient_evidence", evidence)
        best = self._prevailing(candidates)
        if best is None:
            return self._refuse("conflicting_evidence", [c.evidence for c in candidates])
        return self._answer(best, evidence)

    def _prevailing(self, candidates: list[Candidate]) -> list[Candidate] | None:
        """The candidates of the answer that most passages give; None where none prevails."""
        first = candidates[0]
        rivals = [
            c
            for c in candidates
            if c.relation == first.relation and c.similarity == first.similarity and c.fit > 0.5
        ] or [first]
        groups: list[list[Candidate]] = []
        for candidate in rivals:
            for group in groups:
                if _agree(candidate, group[0]):
                    group.append(candidate)
                    break
            else:
                groups.append([candidate])
        if self._values.get(first.relation, "one") != "one":
            return groups[0]
        # One passage that says two things contradicts itself less than it was misread: its first
        # reading stands. Two passages that differ are a conflict unless one side has more voices.
        voices = [len({c.evidence.passage.id for c in group}) for group in groups]
        sources = {c.evidence.passage.id for c in rivals}
        if len(groups) == 1 or len(sources) == 1:
            return groups[0]
        order = sorted(range(len(groups)), key=lambda i: -voices[i])
        return groups[order[0]] if voices[order[0]] > voices[order[1]] else None

    def _answer(self, support: list[Candidate], evidence: Sequence[Evidence]) -> Reading:
        best = support[0]
        cited: dict[str, Candidate] = {}
        for candidate in support:
            cited.setdefault(candidate.evidence.passage.id, candidate)
        citations = tuple(
            Citation(
                number=number,
                passage_id=candidate.evidence.passage.id,
                title=candidate.evidence.passage.title,
                url=candidate.evidence.passage.url,
                quote=candidate.sentence.text,
                start=0,
                end=len(best.text),
                source=candidate.evidence.source,
            )
            for number, candidate in enumerate(cited.values(), 1)
        )
        return Reading(
            answer=best.text,
            confidence=round(min(1.0, best.similarity) * max(best.fit, 0.5), 4),
            citations=citations,
            evidence=tuple(evidence),
            provider=best.evidence.provider,
        )

    @staticmethod
    def _refuse(reason: Reason, evidence: Sequence[Evidence]) -> Reading:
        return Reading(answer=None, reason=reason, evidence=tuple(evidence))


def _agree(one: Candidate, other: Candidate) -> bool:
    a, b = key(one.text), key(other.text)
    return a in b or b in a
