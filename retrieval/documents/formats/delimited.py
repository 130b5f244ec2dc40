"""CSV and TSV: every row with the names of its columns."""

from __future__ import annotations

import csv

from kg_builder.passage import Location
from retrieval.documents.document import Block, Document, Options, Parsed
from retrieval.documents.encoding import decode
from retrieval.documents.formats.text import unreadable_characters
from retrieval.documents.tables import table_lines
from retrieval.errors import DocumentError

DELIMITERS = ",;\t|"
SAMPLE = 20  # lines that tell the delimiter
MAX_CELL = 10 * 2**20  # characters


def parse(data: bytes, options: Options) -> Parsed:
    """One document."""
    text, encoding, unreadable = decode(data)
    if unreadable:
        yield unreadable_characters(unreadable, encoding)
    csv.field_size_limit(MAX_CELL)
    lines = text.splitlines(keepends=True)
    try:
        grid = [
            [" ".join(cell.split()) for cell in row]
            for row in csv.reader(lines, delimiter=delimiter_of(lines[:SAMPLE]))
        ]
    except csv.Error as error:
        raise DocumentError(f"not a table of cells ({error}).") from error
    blocks = [Block(text, Location(row=number)) for number, text in table_lines(grid)]
    if blocks:
        yield Document(options.title, tuple(blocks))


def delimiter_of(lines: list[str]) -> str:
    """The delimiter that cuts the most lines into equally many cells, a comma if none does."""

    def regularity(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        width = max(set(widths), key=lambda w: (widths.count(w), w), default=1)
        return (widths.count(width), width) if width > 1 else (0, 1)

    return max(DELIMITERS, key=regularity)
