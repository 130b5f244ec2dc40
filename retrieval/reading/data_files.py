"""Data files: what a span reader learns from, in each of the layouts that data come in.

- ``title``, ``text``, ``qas``: passages with questions (``retrieval.reading.dataset``);
- ``question``, ``s``, ``p``, ``o``: questions about triples (``retrieval.reading.entries``);
- ``question``, ``gold``, ``answer``: answers in sentences, judged where ``human_correct`` is given. A
  right one that holds the gold answer is a text with its question.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from retrieval.reading.dataset import (
    ReadingDataError,
    ReadingPassage,
    ReadingQuestion,
    read_reading_data,
)
from retrieval.reading.entries import Triple, entries

FEWEST_CHARACTERS = 50  # of an answer in sentences, to be read as a text


def read_data_files(paths: Sequence[Path]) -> list[ReadingPassage]:
    """Every passage of the files; raises ReadingDataError naming file, line and what is missing."""
    return [passage for path in paths for passage in _read(path)]


def _read(path: Path) -> list[ReadingPassage]:
    first = next(_records(path), {})
    if "qas" in first or not first:
        return read_reading_data([path])
    try:
        if {"question", "s", "p", "o"} <= first.keys():
            return entries([Triple(r["question"], r["s"], r["p"], r["o"]) for r in _records(path)])
        if {"question", "gold", "answer"} <= first.keys():
            return [p for record in _records(path) if (p := _answered(record)) is not None]
    except (KeyError, TypeError) as error:
        raise ReadingDataError(f"{path}: records of more than one kind ({error!r}).") from error
    return read_reading_data([path])  # says what a line has to hold


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for line in stream:
                if line.strip():
                    found = json.loads(line)
                    yield found if isinstance(found, dict) else {}
    except OSError as error:
        raise ReadingDataError(f"{path}: {error.strerror or error}. Check the path.") from error
    except ValueError:  # no JSON, or not UTF-8: the reader of passages names the line
        yield {}


def _answered(record: dict[str, Any]) -> ReadingPassage | None:
    text = str(record["answer"])
    held = tuple(gold for gold in record["gold"] if gold in text)
    if not held or len(text) < FEWEST_CHARACTERS or not record.get("human_correct", True):
        return None
    # The question stands for the title, so that the articles held out are whole questions.
    question = ReadingQuestion(record["question"], (max(held, key=len),))
    return ReadingPassage(record["question"], text, (question,))
