"""Sentences of Chinese and English text, with their offsets."""

from __future__ import annotations

import re
from typing import NamedTuple

# Chinese stops end a sentence wherever they stand, together with closing quotes and brackets after
# them. A full stop ends one only before white space and a capital, a digit or a Chinese character;
# not after an initial or an abbreviation, not inside 3.14.
CLOSERS = "”’」』）)】》〉\"'"
QUOTES = (("“", "”"), ("「", "」"), ("『", "』"), ("《", "》"), ("（", "）"))
QUOTATION = 120  # characters within which a quotation has to close, or its mark was a slip
# Characters before a stop that are looked at, for an abbreviation and for an opening quote: a text without
# any sentence would else be read anew at each of its stops.
ABBREVIATED, OPENED = 40, 600
_HARD = re.compile(rf"(?:[。！？!?；;…]+[{CLOSERS}]*)|\n+|\.(?=[\s{CLOSERS}]|$)[{CLOSERS}]*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|Inc|Ltd|Corp|Gen|Col|Lt|Sgt|Rev|Mt"
    r"|e\.g|i\.e|cf|ca|approx|U\.S|U\.K|a\.m|p\.m)"
    r"|(?<!\bis )(?<!\bwas )(?<![A-Za-z])[A-Z](?:\.[A-Z])*)$"  # an initial, but: its symbol is U.
)
# Abbreviations before a number only: Jun. 4, but not Zhang Jun. He left.
_NUMBERED = re.compile(r"\b(?:No|Vol|Fig|pp?|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)$")
_NUMBER = re.compile(r"\s*\d")
_NEXT = re.compile(r"\s+[\"'“‘(\[.]*[A-Z0-9\u3400-\u9fff]|\s+\.\w|\s*$")
# What a stop inside quotes must be followed by to end the sentence around it.
_AFTER_QUOTE = re.compile(r"\s|$|[“「『\"]")


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
        if _quoted(text, start, stop):
            continue
        _add(found, text, start, stop.end())
        start = stop.end()
    _add(found, text, start, len(text))
    return found


def _ends(text: str, start: int, stop: re.Match[str]) -> bool:
    start = max(start, stop.start() - ABBREVIATED)
    if _ABBREVIATION.search(text, start, stop.start()):
        return False
    if _NUMBERED.search(text, start, stop.start()) and _NUMBER.match(text, stop.end()):
        return False
    return _NEXT.match(text, stop.end()) is not None


def _quoted(text: str, start: int, stop: re.Match[str]) -> bool:
    """Whether the stop belongs to a quotation or title, and the sentence goes on after it."""
    last = stop.group()[-1]
    if last == "》" or (last in "”’」』" and not _AFTER_QUOTE.match(text, stop.end())):
        return True
    start = max(start, stop.start() - OPENED)
    for opener, closer in QUOTES:
        opened = text.rfind(opener, start, stop.start())
        if opened >= 0 and text.find(closer, opened, stop.end()) < 0:
            close = text.find(closer, stop.end(), stop.end() + QUOTATION)
            if close >= 0 and "\n" not in text[stop.start() : close]:
                return True
    return False


def _add(found: list[Sentence], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    stripped = piece.strip()
    if any(c.isalnum() for c in stripped):
        found.append(Sentence(stripped, start + left, start + left + len(stripped)))
