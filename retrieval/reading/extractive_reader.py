"""ExtractiveReader: answers with a span of the evidence, or refuses with what comes closest."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from kg_builder.passage import Passage
from retrieval.canonical import key
from retrieval.chunking import weight
from retrieval.evidence import Citation, Evidence, Reading, Reason, cited
from retrieval.reading.answer_form import answer_span
from retrieval.reading.confidence import FILE, NONE, Features, ReadingCalibration, clipped
from retrieval.reading.selection import Selected, select
from retrieval.reading.span_reader import FOLDER, SpanPrediction, SpanReader, Text, load_span_reader
from retrieval.segmentation import is_han, ngrams
from retrieval.sentences import Sentence, sentences
from retrieval.store import document_of

BUDGET = 600.0  # Chinese characters that are read for one question; a Latin one counts a third
CONFLICT = 3.0  # two answers whose scores differ by less are about as likely


class Candidate(NamedTuple):
    """The best answer of one passage."""

    evidence: Evidence
    text: str
    sentence: Sentence
    features: Features
    confidence: float


class _Found(NamedTuple):
    evidence: Evidence
    rank: int
    prediction: SpanPrediction
    text: str
    sentence: Sentence


class ExtractiveReader:
    """The most probable span of the passages, with its sentence as citation.

    Answers below the threshold of the calibration are withheld; what was closest is shown then, and
    both sides where two documents say different things about as surely.
    """

    def __init__(
        self,
        spans: SpanReader | None = None,
        calibration: ReadingCalibration | None = None,
        *,
        budget: float = BUDGET,
    ) -> None:
        self.spans = spans or load_span_reader()
        self.calibration = calibration or ReadingCalibration.load(FOLDER)
        self.name = f"extractive:{self.spans.name}@{self.calibration.threshold:.3f}"
        self.budget = budget

    @classmethod
    def load(cls, source: str | Path | None = None) -> ExtractiveReader:
        """The default reader, or that of a folder or hub id. One without a calibration of its own is
        given the default reader's: see docs/reading.md."""
        spans = load_span_reader(source)
        folder = Path(source) if source else FOLDER
        if not (folder / FILE).is_file():
            folder = FOLDER
        return cls(spans, ReadingCalibration.load(folder))

    async def read(self, question: str, evidence: Sequence[Evidence]) -> Reading:
        return await asyncio.to_thread(self.read_now, question, evidence)

    def read_now(self, question: str, evidence: Sequence[Evidence]) -> Reading:
        """The same, for callers that are not asynchronous."""
        if not evidence:
            return Reading(answer=None, reason="no_results")
        candidates = self.candidates(question, evidence)
        if not candidates:
            return self._refused("insufficient_evidence", [], evidence)
        best = candidates[0]
        if best.confidence < self.calibration.threshold or not self._answers(best):
            return self._refused("insufficient_evidence", [best], evidence)
        rival = self._rival(candidates) or self._majority(candidates)
        if rival is not None:
            return self._refused("conflicting_evidence", [best, rival], evidence)
        allies = [c for c in candidates[1:] if _agree(c.text, best.text) and self._answers(c)]
        return Reading(
            answer=best.text,
            confidence=round(best.confidence, 4),
            citations=_citations([best, *allies], best.text),
            evidence=tuple(evidence),
            provider=best.evidence.provider,
        )

    def candidates(self, question: str, evidence: Sequence[Evidence]) -> list[Candidate]:
        """The best answer of each passage that has one, most confident first."""
        found = self._found(question, evidence)
        made = []
        for one in found:
            features = _features(one, found, question)
            made.append(
                Candidate(
                    one.evidence,
                    one.text,
                    one.sentence,
                    features,
                    self.calibration.probability(features),
                )
            )
        return sorted(made, key=lambda c: -c.confidence)

    def _found(self, question: str, evidence: Sequence[Evidence]) -> list[_Found]:
        texts = [
            Text(_needed_title(item.passage, question), item.passage.text) for item in evidence
        ]
        chosen = select(question, texts, self.budget)
        read = [i for i, one in enumerate(chosen) if one.text.text.strip()]
        predictions = self.spans.predict(question, [chosen[i].text for i in read])
        asked = key(question)
        found = []
        for i, prediction in zip(read, predictions, strict=True):
            answer = _answer(evidence[i].passage, chosen[i], prediction, asked)
            if answer is not None:
                found.append(_Found(evidence[i], i, prediction, *answer))
        return found

    def _answers(self, candidate: Candidate) -> bool:
        return candidate.features.score >= self.calibration.no_answer

    def _rival(self, candidates: list[Candidate]) -> Candidate | None:
        """The best candidate of another document that says something else about as surely."""
        best = candidates[0]
        for other in candidates[1:]:
            if (
                document_of(other.evidence.passage.id) != document_of(best.evidence.passage.id)
                and self._answers(other)
                and other.features.score > best.features.score - CONFLICT
                and other.confidence >= self.calibration.threshold / 2  # its rival weighs on it
                and not _agree(other.text, best.text)
            ):
                return other
        return None

    def _majority(self, candidates: list[Candidate]) -> Candidate | None:
        """The best candidate that more sites of the web agree on than on the best one, two at least.

        However sure the reader is of a sentence, its author may have written it for the reader: one page
        does not overrule two that agree.
        """
        best = candidates[0]
        if best.evidence.source != "web":
            return None
        said = [c for c in candidates if c.evidence.source == "web" and self._answers(c)]
        for other in said:
            if _agree(other.text, best.text):
                continue
            against = {_site(c) for c in said if _agree(c.text, other.text)}
            own = {_site(c) for c in [best, *said] if _agree(c.text, best.text)}
            if len(against - own) > len(own):
                return other
        return None

    @staticmethod
    def _refused(reason: Reason, shown: list[Candidate], evidence: Sequence[Evidence]) -> Reading:
        return Reading(
            answer=None, reason=reason, evidence=tuple(evidence), closest=_citations(shown, "")
        )


@lru_cache(maxsize=1)
def default_reader() -> ExtractiveReader:
    """The reader that comes with the project, loaded once a process."""
    return ExtractiveReader()


def _answer(
    passage: Passage, chosen: Selected, prediction: SpanPrediction, asked: str
) -> tuple[str, Sentence] | None:
    """The best span as an answer with its sentence; None where none is left of it, or it merely says
    the question again."""
    if not prediction.spans:
        return None
    span = prediction.spans[0]
    start, end = answer_span(passage.text, *chosen.original(span.start, span.end))
    said = next((s for s in sentences(passage.text) if s.start <= start < s.end), None)
    if said is not None and end > said.end:  # what answers stands in one sentence
        start, end = answer_span(passage.text, start, said.end)
    text = passage.text[start:end]
    name = key(text)
    if not name or name in asked:
        return None
    return text, said or Sentence(text, start, end)


def _features(one: _Found, found: Sequence[_Found], question: str) -> Features:
    spans, score = one.prediction.spans, one.prediction.score
    chinese = float(is_han(question))
    # Passages of one document overlap: what one of them says again is no second opinion.
    own = document_of(one.evidence.passage.id)
    others = [other for other in found if document_of(other.evidence.passage.id) != own]
    allies = [o.prediction.score for o in others if _agree(o.text, one.text)]
    rivals = [o.prediction.score for o in others if not _agree(o.text, one.text)]
    passage = one.evidence.passage
    return Features(
        score=clipped(score),
        log_probability=clipped(spans[0].log_probability),
        margin=clipped(spans[0].log_probability - spans[1].log_probability)
        if len(spans) > 1
        else -NONE,
        rank=1 / (1 + one.rank),
        ally=clipped(max(allies, default=NONE)),
        rival=clipped(max(rivals, default=NONE)),
        named=float(_named(passage, question)),
        other_named=float(
            not _named(passage, question)
            and any(_named(other.evidence.passage, question) for other in others)
        ),
        length=_log_length(one.text),
        chinese=chinese,
        chinese_score=chinese * clipped(score),
    )


def _needed_title(passage: Passage, question: str) -> str:
    """The passage's title, or nothing where it merely resembles what the question names and the text names
    that itself: 海宁城手册 beside a text on 海宁城 reads like the name of somebody else."""
    if _named(passage, question):
        return passage.title
    shared = set(ngrams(passage.title)) & set(ngrams(question))
    return "" if shared and shared <= set(ngrams(passage.text)) else passage.title


def _named(passage: Passage, question: str) -> bool:
    title = key(passage.title)
    return len(title) > 1 and title in key(question)


def _site(candidate: Candidate) -> str:
    """Whose page it is; pages of one host are one voice."""
    url = candidate.evidence.passage.url
    return urlsplit(url).netloc.lower() or document_of(candidate.evidence.passage.id)


def _log_length(text: str) -> float:
    return math.log(1 + weight(text))


def _agree(one: str, other: str) -> bool:
    a, b = key(one), key(other)
    return a in b or b in a


def _citations(candidates: Sequence[Candidate], answer: str) -> tuple[Citation, ...]:
    # Passages of one document overlap: the same sentence is cited once.
    shown: dict[tuple[str, str], Candidate] = {}
    for candidate in candidates:
        document = document_of(candidate.evidence.passage.id)
        shown.setdefault((document, candidate.sentence.text), candidate)
    return tuple(
        cited(candidate.evidence, candidate.sentence.text, number=number, end=len(answer))
        for number, candidate in enumerate(shown.values(), 1)
    )
