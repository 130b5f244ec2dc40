"""Sentences of Chinese and English text, with their offsets."""

from __future__ import annotations

import re
from typing import NamedTuple

# Chinese stops end a sentence wherever they stand, together with closing quotes and brackets after
# them. A full stop ends one only before white space and a capital, a digit or a Chinese character;
# not after an initial or an abbreviation, not inside 3.14.
CLOSERS = "”’」』）)】》〉\"'"
_HARD = re.compile(rf"(?:[。！？!?；;…]+[{CLOSERS}]*)|\n+|\.(?=[\s{CLOSERS}]|$)[{CLOSERS}]*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|No|Vol|Fig|Inc|Ltd|Co|Corp|Gen|Col|Lt|Sgt|Rev|Hon|Mt"
    r"|e\.g|i\.e|cf|ca|approx|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|U\.S|U\.K|a\.m|p\.m)"
    r"|(?<![A-Za-z])[A-Z](?:\.[A-Z])*)$"
)
_NEXT = re.compile(r"\s+[\"'“‘(\[]*[A-Z0-9\u3400-\u9fff]|\s*$")


class Sentence(NamedTuple):
    """``text`` is ``source[start:end]``, without white space around it."""

    text: str
    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """Every sentence of a text in order; white space between them belongs to none."""
    found: list[Sentence] = []
    start = 0
    for stop in _HARD.finditer(text):
        if stop.group().startswith(".") and not _ends(text, start, stop):
            continue
        _add(found, text, start, stop.end())
        start = stop.end()
    _add(found, text, start, len(text))
    return found


def _ends(text: str, start: int, stop: re.Match[str]) -> bool:
    if _ABBREVIATION.search(text, start, stop.start()):
        return False
    return _NEXT.match(text, stop.end()) is not None


def _add(found: list[Sentence], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    stripped = piece.strip()
    if any(c.isalnum() for c in stripped):
        found.append(Sentence(stripped, start + left, start + left + len(stripped)))
