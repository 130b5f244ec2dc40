"""Dataset: reading-comprehension data in the layouts of CMRC 2018 and SQuAD.

One JSON object a line: ``title``, ``text`` and ``qas``, each of these with ``question`` and
``answers`` (or ``q`` and ``a``) and, where they are known, ``starts``: for every answer the places
where it stands in the text. A question without answers is one that the text does not answer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kg_builder.splits import unit_hash
from retrieval.errors import RetrievalError
from retrieval.segmentation import ngrams

CONTEXT = 60  # characters on either side in which an answer's neighbourhood is compared


class ReadingDataError(RetrievalError):
    """Reading-comprehension data is missing or not in a known layout."""


class ReadingQuestion(NamedTuple):
    """``starts[i]`` are offsets of ``answers[i]`` in the text; empty where the data tell none."""

    text: str
    answers: tuple[str, ...]
    starts: tuple[tuple[int, ...], ...] = ()


class ReadingPassage(NamedTuple):
    """A passage with the questions that people asked about it."""

    title: str
    text: str
    questions: tuple[ReadingQuestion, ...]


class ReadingExample(NamedTuple):
    """A question beside a text. The answer is ``text[start:end]``; ``start`` -1: there is none."""

    question: str
    title: str
    text: str
    start: int = -1
    end: int = -1

    @property
    def answerable(self) -> bool:
        return self.start >= 0


def read_reading_data(paths: Sequence[Path]) -> list[ReadingPassage]:
    """Every passage of the files; raises ReadingDataError naming file, line and what is missing."""
    return [passage for path in paths for passage in _passages(path)]


def _passages(path: Path) -> Iterator[ReadingPassage]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield _passage(line, path, number)
    except OSError as error:
        raise ReadingDataError(f"{path}: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise ReadingDataError(f"{path}: not UTF-8 ({error}). Convert it.") from error


def _passage(source: str, path: Path, line: int) -> ReadingPassage:
    try:
        record: dict[str, Any] = json.loads(source)
        questions = tuple(
            ReadingQuestion(
                str(qa["question"] if "question" in qa else qa["q"]),
                tuple(dict.fromkeys(map(str, qa["answers"] if "answers" in qa else qa["a"]))),
                tuple(tuple(map(int, places)) for places in qa.get("starts", ())),
            )
            for qa in record["qas"]
        )
        title = str(record.get("title") or "").replace("_", " ")
        return ReadingPassage(title, str(record["text"] or ""), questions)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReadingDataError(
            f"{path}, line {line}: no reading-comprehension record ({error!r}). A line is "
            '{"title", "text", "qas": [{"question", "answers", "starts"}]}.'
        ) from error


def hold_out(
    passages: Sequence[ReadingPassage], articles: int, seed: int = 13
) -> tuple[list[ReadingPassage], list[ReadingPassage]]:
    """(the rest, those held out): whole articles by their titles, the same for a seed."""
    titles = sorted({passage.title for passage in passages})
    random.Random(seed).shuffle(titles)
    held = set(titles[:articles])
    return (
        [passage for passage in passages if passage.title not in held],
        [passage for passage in passages if passage.title in held],
    )


def calibration_part(
    passages: Sequence[ReadingPassage], share: float
) -> tuple[list[ReadingPassage], list[ReadingPassage]]:
    """(for training, for calibration): whole articles, parted by a hash of their titles."""
    parts: tuple[list[ReadingPassage], list[ReadingPassage]] = ([], [])
    for passage in passages:
        parts[is_kept_back(passage.title or passage.text, share)].append(passage)
    return parts


def is_kept_back(title: str, share: float) -> bool:
    """Whether an article is for calibration."""
    return unit_hash(title, "reading calibration") < share


def located(passage: ReadingPassage, question: ReadingQuestion) -> ReadingExample | None:
    """The example with the answer's place; None where the answer does not stand in the text.

    Of several places the one is taken whose neighbourhood shares most with the question.
    """
    for answer in question.answers:
        places = _places(passage.text, answer)
        if not places:
            continue
        asked = set(ngrams(question.text))

        def shared(place: int, answer: str = answer, asked: set[str] = asked) -> int:
            end = place + len(answer)
            around = (
                passage.text[max(0, place - CONTEXT) : place],
                passage.text[end : end + CONTEXT],
            )
            return len(asked & {term for part in around for term in ngrams(part)})

        best = places[0] if len(places) == 1 else max(places, key=lambda p: (shared(p), -p))
        return ReadingExample(question.text, passage.title, passage.text, best, best + len(answer))
    return None


def _places(text: str, answer: str) -> list[int]:
    found, at = [], text.find(answer) if answer else -1
    while at >= 0:
        found.append(at)
        at = text.find(answer, at + 1)
    return found
