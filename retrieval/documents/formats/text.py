"""Plain text: every line with its number; a short first line that stands alone is the title."""

from __future__ import annotations

from kg_builder.passage import Location
from retrieval.documents.document import Block, Document, Omission, Options, Parsed
from retrieval.documents.encoding import decode

TITLE_LENGTH = 80


def parse(data: bytes, options: Options) -> Parsed:
    """One document; bytes that cannot be read are told."""
    text, encoding, unreadable = decode(data)
    if unreadable:
        yield unreadable_characters(unreadable, encoding)
    lines = [(number, line.strip("\ufeff")) for number, line in enumerate(text.split("\n"), 1)]
    filled = [place for place, (_, line) in enumerate(lines) if line.strip()]
    if not filled:
        return
    title, first = options.title, filled[0]
    head = lines[first][1].strip()
    alone = len(filled) > 1 and filled[1] > first + 1
    if alone and len(head) <= TITLE_LENGTH:
        title, filled = head, filled[1:]
    blocks = (Block(lines[n][1].rstrip(), Location(line=lines[n][0])) for n in filled)
    yield Document(title, tuple(blocks))


def unreadable_characters(count: int, encoding: str) -> Omission:
    """What a text in a damaged or mixed encoding lacks."""
    shown = "1 character" if count == 1 else f"{count} characters"
    return Omission(shown, f"not valid {encoding.upper()}, read as \ufffd. Save the file as UTF-8.")
