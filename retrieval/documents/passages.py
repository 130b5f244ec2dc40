"""Passages of a document: whole sentences of one section, with their places in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kg_builder.passage import Location, Passage
from retrieval.chunking import ChunkSettings, spans, weight
from retrieval.documents.characters import clean
from retrieval.documents.document import Block, Document
from retrieval.documents.language import language_of
from retrieval.store import PART

PATH = " › "  # between the headings above a passage
MAX_HEADING = 200  # characters of them that are kept


class _Section(NamedTuple):
    """A heading with what stands below it; ``heading`` is empty before the first one."""

    heading: str
    blocks: tuple[Block, ...]

    @property
    def weight(self) -> float:
        return sum(weight(block.text) for block in self.blocks)


def passages_of(
    document: Document, identity: str, settings: ChunkSettings, *, file: str, first: int = 0
) -> Iterator[Passage]:
    """The passages of a document in order, with ids ``identity``#``first``, …

    A section that fits into one passage is never cut; small ones that follow each other share one. A
    section that is cut has its heading before every part. ``file`` is what the passages are replaced by.
    """
    number = first
    for group in _groups(document, settings):
        text, marks = _joined(group)
        heading = group[0].heading if len(group) == 1 else ""
        for start, end in spans(text, settings):
            # What of a section stands before the cut is known by its heading.
            before = f"{heading}\n" if heading and start > 0 else ""
            piece = before + text[start:end]
            yield Passage(
                id=f"{identity}{PART}{number}",
                title=document.title,
                text=piece,
                url=document.url,
                language=document.language or language_of(piece),
                entities=document.entities,
                document="" if file == identity else file,
                locations=_locations(marks, start, end, len(before)),
            )
            number += 1


def _sections(document: Document) -> Iterator[_Section]:
    """The blocks by heading; each gets the headings above it as part of its location."""
    above: list[tuple[int, str]] = []
    held: list[Block] = []
    heading = ""
    for block in document.blocks:
        block = block._replace(text=clean(block.text).strip())
        if not block.text:
            continue
        if block.level:
            if held:
                yield _Section(heading, tuple(held))
            held = []
            heading = " ".join(block.text.split())[:MAX_HEADING]
            above = [(level, text) for level, text in above if level < block.level]
            above.append((block.level, heading))
        path = PATH.join(text for _, text in above)[-MAX_HEADING:] or block.location.heading
        if path:
            block = block._replace(location=block.location.model_copy(update={"heading": path}))
        held.append(block)
    if held:
        yield _Section(heading, tuple(held))


def _groups(document: Document, settings: ChunkSettings) -> Iterator[list[_Section]]:
    """Sections that share a passage: as many as fit, or one that is too long."""
    held: list[_Section] = []
    spent = 0.0
    for section in _sections(document):
        size = section.weight
        if held and spent + size > settings.size:
            yield held
            held, spent = [], 0.0
        held.append(section)
        spent += size
    if held:
        yield held


def _joined(group: Sequence[_Section]) -> tuple[str, list[tuple[int, Location]]]:
    """The text of the sections, and where in it each location begins to hold."""
    parts: list[str] = []
    marks: list[tuple[int, Location]] = []
    length = 0
    for section in group:
        for block in section.blocks:
            separator = block.separator if parts else ""
            marks.append((length + len(separator), block.location))
            parts.append(separator + block.text)
            length += len(parts[-1])
    return "".join(parts), marks


def _locations(
    marks: Sequence[tuple[int, Location]], start: int, end: int, shift: int
) -> tuple[Location, ...]:
    """The locations of a span of the text, by offsets in its passage."""
    first = max(0, bisect_right(marks, start, key=lambda mark: mark[0]) - 1)
    found: list[Location] = []
    before: Location | None = None
    for place in range(first, len(marks)):
        offset, location = marks[place]
        if offset >= end:
            break
        if location != before:
            at = max(0, offset - start + shift) if place > first else 0
            found.append(location.model_copy(update={"start": at}))
        before = location
    return () if found == [Location()] else tuple(found)
