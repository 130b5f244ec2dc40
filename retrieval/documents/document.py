"""Document: what a file says, block by block with its place, and what of it was left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from kg_builder.passage import Location, Passage
from kg_builder.question import Language

NOWHERE = Location()


class Block(NamedTuple):
    """A paragraph, list item, table row, heading or piece of code.

    ``level`` is 1 to 6 for headings, 0 for all else; ``separator`` stands between it and the block
    before it.
    """

    text: str
    location: Location = NOWHERE
    level: int = 0
    separator: str = "\n"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file; files of records hold many, told apart by their ``key``."""

    title: str
    blocks: tuple[Block, ...]
    key: str = ""
    url: str = ""
    language: Language | None = None  # None: told by the text
    entities: tuple[str, ...] = ()


class LeftOut(BaseModel):
    """What was not read and why. ``part`` names the pages, record or sheet; empty: the whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document: str
    reason: str  # one sentence with the remedy
    part: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.document, self.part))) + f": {self.reason}"


class Extraction(BaseModel):
    """The passages of one file, ready to be indexed, and what of it was left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document: str  # the id that all its passages bear in front of theirs
    passages: tuple[Passage, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Omission(NamedTuple):
    """A part that a format's reader could not read; it becomes a LeftOut with the file's name."""

    part: str
    reason: str


class Options(NamedTuple):
    """What a format's reader is told beside the bytes."""

    title: str  # of a document that has none of its own
    ocr: bool  # whether pictures are read, where the extra ``ocr`` is installed


Parsed = Iterator[Document | Omission]  # what a format's reader makes of the bytes of a file
