"""Passages of a document: whole sentences that overlap, with their places in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kg_builder.passage import Location, Passage
from retrieval.chunking import ChunkSettings, spans
from retrieval.documents.characters import clean
from retrieval.documents.document import Document
from retrieval.documents.language import language_of
from retrieval.store import PART

PATH = " › "  # between the headings above a passage
MAX_HEADING = 200  # characters of them that are kept


class _Mark(NamedTuple):
    """From ``offset`` of the document's text on, ``location`` holds, in the section of ``heading``.

    ``heading`` is empty for a heading itself and before the first one.
    """

    offset: int
    location: Location
    heading: str


def passages_of(
    document: Document, identity: str, settings: ChunkSettings, *, file: str, first: int = 0
) -> Iterator[Passage]:
    """The passages of a document in order, with ids ``identity``#``first``, …

    One that begins within a section has the section's heading before it. ``file`` is what the passages
    are replaced by.
    """
    text, marks = _joined(document)
    for number, (start, end) in enumerate(spans(text, settings), first):
        place = max(0, bisect_right(marks, start, key=lambda mark: mark.offset) - 1)
        heading = marks[place].heading
        before = f"{heading}\n" if heading else ""
        piece = before + text[start:end]
        yield Passage(
            id=f"{identity}{PART}{number}",
            title=document.title,
            text=piece,
            url=document.url,
            language=document.language or language_of(piece),
            entities=document.entities,
            document="" if file == identity else file,
            locations=_locations(marks[place:], start, end, len(before)),
        )


def _joined(document: Document) -> tuple[str, list[_Mark]]:
    """The document's text, and where in it each location begins to hold, with the headings above it."""
    parts: list[str] = []
    marks: list[_Mark] = []
    above: list[tuple[int, str]] = []
    length = 0
    heading = ""
    for block in document.blocks:
        text = clean(block.text).strip()
        if not text:
            continue
        if block.level:
            heading = " ".join(text.split())[:MAX_HEADING]
            above = [one for one in above if one[0] < block.level] + [(block.level, heading)]
        location = block.location
        if path := PATH.join(name for _, name in above)[-MAX_HEADING:]:
            location = location.model_copy(update={"heading": path})
        separator = block.separator if parts else ""
        marks.append(_Mark(length + len(separator), location, "" if block.level else heading))
        parts.append(separator + text)
        length += len(parts[-1])
    return "".join(parts), marks


def _locations(marks: Sequence[_Mark], start: int, end: int, shift: int) -> tuple[Location, ...]:
    """The locations of a span of the text, by offsets in its passage; the first mark holds at its start."""
    found: list[Location] = []
    before: Location | None = None
    for mark in marks:
        if mark.offset >= end:
            break
        if mark.location != before:
            at = mark.offset - start + shift if found else 0
            found.append(mark.location.model_copy(update={"start": at}))
        before = mark.location
    return () if found == [Location()] else tuple(found)
