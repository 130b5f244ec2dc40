"""Documents: the user's own texts as passages, linked to the entities that they name.

DocumentError    a document is missing or is neither text nor JSON Lines with title and text
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kg_builder.errors import UserError
from kg_builder.files import read_jsonl
from kg_builder.passage import Passage
from kg_builder.question import Language

PASSAGE_LENGTH = 400  # characters at most, cut between sentences where there are some
LONGEST_NAME = 24
_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?\n”」』）)]*|[。！？!?\n]+")
_LATIN = re.compile(r"[0-9A-Za-z]")


class DocumentError(UserError):
    """A document is missing or cannot be read."""


class _Document(NamedTuple):
    title: str
    text: str
    url: str


def linked_passages(
    paths: Sequence[Path], names: Mapping[str, str], language: Language
) -> Iterator[Passage]:
    """Passages of every document in order. ``names``: what entities are called, and their ids."""
    for path in paths:
        for document in _documents(path):
            for place, text in enumerate(cut(document.text)):
                key = f"{document.url or document.title}\t{place}"
                yield Passage(
                    id=f"doc-{hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()[:16]}",
                    title=document.title,
                    text=text,
                    url=document.url,
                    language=language,
                    entities=named_in(f"{document.title}\n{text}", names),
                )


def cut(text: str) -> list[str]:
    """Pieces of whole sentences, PASSAGE_LENGTH at most; a longer sentence is cut where it must be."""
    pieces, held = [], ""
    for sentence in _SENTENCE.findall(text):
        while len(sentence) > PASSAGE_LENGTH:
            pieces.append(held)
            held, sentence = sentence[:PASSAGE_LENGTH], sentence[PASSAGE_LENGTH:]
        if len(held) + len(sentence) > PASSAGE_LENGTH:
            pieces.append(held)
            held = ""
        held += sentence
    return [piece.strip() for piece in [*pieces, held] if piece.strip()]


def named_in(text: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Ids of the entities that the text names, in order; the longest name wins at each place."""
    found: dict[str, None] = {}
    place = 0
    while place < len(text):
        for length in range(min(LONGEST_NAME, len(text) - place), 1, -1):
            name = text[place : place + length]
            if name in names and _stands_alone(text, place, length):
                found[names[name]] = None
                place += length - 1
                break
        place += 1
    return tuple(found)


def _stands_alone(text: str, place: int, length: int) -> bool:
    """Latin names are whole words: not the Iran of Tirana."""
    before, after = text[max(place - 1, 0) : place], text[place + length : place + length + 1]
    inside_before = _LATIN.match(text[place]) and _LATIN.match(before)
    inside_after = _LATIN.match(text[place + length - 1]) and _LATIN.match(after)
    return not inside_before and not inside_after


def _documents(path: Path) -> Iterator[_Document]:
    if path.suffix in (".jsonl", ".ndjson"):
        for number, record in enumerate(read_jsonl(path), 1):
            text = record.get("text")
            if not isinstance(text, str) or not text.strip():
                raise DocumentError(f"{path}, record {number}: no text. Each needs title and text.")
            title, url = str(record.get("title") or ""), str(record.get("url") or "")
            yield _Document(title, text, url)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DocumentError(f"{path}: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8."
        ) from error
    yield _Document(path.stem, text, path.name)
