"""Calibrate a reader on questions that it never learnt from.

Every question is asked four times: of the ``READ`` best passages, of those without its own, of its
own passage alone, and of the nearest other one alone, so that the confidence knows evidence that does
not answer. Statements made of a graph join them where they are given.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from kg_builder.passage import Passage
from retrieval.lexical import LexicalIndex
from retrieval.passage_text import passage_text
from retrieval.reading.confidence import Features, ReadingCalibration, fit
from retrieval.reading.dataset import ReadingPassage, ReadingQuestion
from retrieval.reading.evaluation import READ, as_passage, evidence_of, is_right
from retrieval.reading.extractive_reader import Candidate, ExtractiveReader
from retrieval.reading.span_reader import SpanReader
from retrieval.reading.statements import Statements
from retrieval.segmentation import is_han

PRECISION = 0.8  # of the default threshold, half of the questions being unanswerable
KEPT = 0.9  # share of answerable questions whose own passage passes the no-answer threshold
STATEMENTS = 0.5  # made of the graph, for each question
GRAPH = 4  # questions that people asked for each one of the graph

Report = Callable[[int, int], None]


class _Readings:
    """All candidates of every reading, with the judgement on them."""

    def __init__(self, reader: ExtractiveReader) -> None:
        self._reader = reader
        self.rows: list[Features] = []
        self.right: list[bool] = []
        self.readings: list[int] = []
        self._count = 0

    def add(self, question: ReadingQuestion, passages: Sequence[Passage]) -> list[Candidate]:
        """Read the passages. A question without answers has no right candidate."""
        found = self._reader.candidates(question.text, evidence_of(passages))
        for candidate in found:
            self.rows.append(candidate.features)
            self.right.append(bool(question.answers) and is_right(candidate.text, question))
            self.readings.append(self._count)
        self._count += 1
        return found


def calibrate_reader(
    spans: SpanReader,
    asked: Sequence[ReadingPassage],
    others: Sequence[ReadingPassage],
    folder: Path,
    *,
    graph: Sequence[ReadingPassage] = (),
    statements: Statements | None = None,
    limit: int = 500,
    precision: float = PRECISION,
    seed: int = 0,
    report: Report | None = None,
) -> ReadingCalibration:
    """Fit on the questions of ``asked``, at most ``limit`` a language, with the passages of ``others``
    around them, and write ``calibration.json`` into ``folder``. ``graph`` are passages of a graph with
    its questions; fewer of these are asked, since they are easier.
    """
    readings = _Readings(ExtractiveReader(spans, _blank()))
    rng = random.Random(seed)
    alone: list[float] = []
    work = [
        one
        for chinese in (True, False)
        for passages, count in ((asked, limit), (graph, limit // GRAPH))
        for one in _work(passages, others if passages is asked else (), chinese, count, rng)
    ]
    for number, (home, question, passages, index) in enumerate(work):
        best = [int(place) for place in index.search(question.text, READ + 1)[0]]
        without = [place for place in best if place != home]
        readings.add(question, [passages[place] for place in best[:READ]])
        readings.add(question, [passages[place] for place in without[:READ]])
        readings.add(question, [passages[place] for place in without[:1]])
        own = readings.add(question, [passages[home]])
        alone.append(own[0].features.score if own else float("-inf"))
        if statements is not None and rng.random() < STATEMENTS:
            example = statements.draw(rng)
            answers = (example.text[example.start : example.end],) if example.answerable else ()
            told = ReadingPassage(example.title, example.text, ())
            readings.add(ReadingQuestion(example.question, answers), [as_passage(told, 0)])
        if report:
            report(number + 1, len(work))
    alone.sort()
    no_answer = max(alone[int(len(alone) * (1 - KEPT))], -1e3)
    made = fit(
        readings.rows,
        readings.right,
        no_answer=no_answer,
        precision=precision,
        readings=readings.readings,
    )
    made.save(folder)
    return made


def _work(
    asked: Sequence[ReadingPassage],
    others: Sequence[ReadingPassage],
    chinese: bool,
    limit: int,
    rng: random.Random,
) -> list[tuple[int, ReadingQuestion, list[Passage], LexicalIndex]]:
    """The questions of one language, each with its passage's position, all passages and their index."""
    held = [p for p in [*asked, *others] if is_han(p.text) is chinese]
    count = sum(is_han(p.text) is chinese for p in asked)
    questions = [(place, q) for place in range(count) for q in held[place].questions if q.answers]
    rng.shuffle(questions)
    passages = [as_passage(p, place) for place, p in enumerate(held)]
    index = LexicalIndex.of([passage_text(p) for p in passages])
    return [(home, q, passages, index) for home, q in questions[:limit]]


def _blank() -> ReadingCalibration:
    """Stands in until there is one: every candidate is kept."""
    count = len(Features._fields)
    return ReadingCalibration(
        mean=(0.0,) * count,
        scale=(1.0,) * count,
        weights=(0.0,) * count,
        intercept=0.0,
        no_answer=0.0,
        threshold=0.0,
    )
