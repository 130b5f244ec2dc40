"""Evaluation of a reader apart from any model: its own passage, a wrong one, and a whole collection.

gold      the question's own passage: exact match, F1, share of spans that hold a reference answer
swapped   the nearest passage by BM25 in whose text no reference answer stands: what is refused
open      all passages as the index, the best ``READ`` of them read, the default threshold: what is
          answered, and whether rightly by ``matches``
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kg_builder.matching import matches
from kg_builder.passage import Passage
from kg_builder.question import Gold, Language
from retrieval.evidence import Evidence
from retrieval.lexical import LexicalIndex
from retrieval.passage_text import passage_text
from retrieval.reading.dataset import ReadingPassage, ReadingQuestion
from retrieval.reading.extractive_reader import ExtractiveReader
from retrieval.reading.scoring import exact_match, f1
from retrieval.segmentation import fold, is_han

READ = 5
NEIGHBOURS = 20  # among which a passage without the answer is looked for

Search = Callable[[str, int], list[int]]  # question, how many: positions of passages, best first
Report = Callable[[int, int], None]


class Asked(NamedTuple):
    """A question with the position of its passage."""

    question: ReadingQuestion
    home: int


def evaluate_reader(
    passages: Sequence[ReadingPassage],
    reader: ExtractiveReader,
    *,
    limit: int | None = None,
    search: Search | None = None,
    seed: int = 0,
    report: Report | None = None,
) -> dict[str, Any]:
    """The measurements over ``limit`` questions drawn by seed (None: all).

    ``search`` is the index of the open setting; BM25 over title and text where none is given.
    """
    asked = [Asked(q, home) for home, p in enumerate(passages) for q in p.questions if q.answers]
    random.Random(seed).shuffle(asked)
    asked = asked[:limit]
    held = [as_passage(passage, place) for place, passage in enumerate(passages)]
    lexical = LexicalIndex.of([passage_text(passage) for passage in held])

    def by_words(question: str, count: int) -> list[int]:
        return [int(place) for place in lexical.search(question, count)[0]]

    search = search or by_words
    gold: list[tuple[bool, float, bool, bool]] = []
    swapped: list[bool] = []
    opened: list[bool | None] = []
    found, spent, read_together = 0, [], []
    for number, one in enumerate(asked):
        started = time.perf_counter()
        gold.append(_gold(one, held[one.home], reader))
        spent.append(time.perf_counter() - started)
        wrong = _neighbour(one, held, by_words)
        if wrong is not None:
            swapped.append(_best(one.question.text, [wrong], reader)[1])
        best = search(one.question.text, READ)
        found += one.home in best
        started = time.perf_counter()
        opened.append(_open(one, [held[place] for place in best], reader))
        if len(best) == READ:
            read_together.append(time.perf_counter() - started)
        if report:
            report(number + 1, len(asked))
    right = sum(one is True for one in opened)
    wrong_ones = sum(one is False for one in opened)
    total = len(asked)
    return {
        "gold": {
            "n": total,
            "em": _share(one[0] for one in gold),
            "f1": _share(one[1] for one in gold),
            "contains": _share(one[2] for one in gold),
            "refused": _share(one[3] for one in gold),
        },
        "swapped": {"n": len(swapped), "refused": _share(swapped)},
        "open": {
            "n": total,
            "right": right,
            "wrong": wrong_ones,
            "refused": total - right - wrong_ones,
            "precision": round(right / max(1, right + wrong_ones), 4),
            "coverage": round((right + wrong_ones) / max(1, total), 4),
            "accuracy": round(right / max(1, total), 4),
            "retrieval_recall5": round(found / max(1, total), 4),
        },
        "ms_per_passage": _milliseconds(spent),
        "ms_five_passages": _milliseconds(read_together),
        "parameters": getattr(reader.spans, "parameters", None),
        "reader": reader.spans.name,
    }


def as_passage(passage: ReadingPassage, place: int) -> Passage:
    language: Language = "zh" if is_han(passage.text) else "en"
    return Passage(id=f"p{place}", title=passage.title, text=passage.text, language=language)


def evidence_of(passages: Sequence[Passage]) -> list[Evidence]:
    """Passages as a search gives them, best first."""
    return [Evidence(passage=p, score=1 / (1 + rank)) for rank, p in enumerate(passages)]


def _best(question: str, passages: Sequence[Passage], reader: ExtractiveReader) -> tuple[str, bool]:
    """The best span of the passages, and whether its no-answer score refuses it."""
    candidates = reader.candidates(question, evidence_of(passages))
    if not candidates:
        return "", True
    best = candidates[0]
    return best.text, best.features.score < reader.calibration.no_answer


def _gold(one: Asked, home: Passage, reader: ExtractiveReader) -> tuple[bool, float, bool, bool]:
    answer, refused = _best(one.question.text, [home], reader)
    references = one.question.answers
    contains = any(fold(reference) in fold(answer) for reference in references)
    return exact_match(answer, references), f1(answer, references), contains, refused


def _neighbour(one: Asked, held: Sequence[Passage], search: Search) -> Passage | None:
    for place in search(one.question.text, NEIGHBOURS):
        text = held[place].text
        if place != one.home and not any(answer in text for answer in one.question.answers):
            return held[place]
    return None


def _open(one: Asked, best: Sequence[Passage], reader: ExtractiveReader) -> bool | None:
    """Whether the answer is right; None where it refuses."""
    reading = reader.read_now(one.question.text, evidence_of(best))
    if reading.answer is None:
        return None
    return is_right(reading.answer, one.question)


def is_right(answer: str, question: ReadingQuestion) -> bool:
    """What cannot be judged counts as not right."""
    gold = Gold(objects=(tuple(question.answers),))
    return matches(answer, gold).verdict == "right"


def _share(values: Iterator[Any] | Sequence[Any]) -> float:
    held = [float(value) for value in values]
    return round(sum(held) / max(1, len(held)), 4)


def _milliseconds(seconds: Sequence[float]) -> float | None:
    return round(1000 * statistics.median(seconds), 2) if seconds else None
