"""Mentions: where the words of a folded name stand in plain text, whatever punctuation is between them.

No pattern is compiled for a name: that costs more than a thousand answers take to look through.
"""

from __future__ import annotations

import functools
import re

from kg_builder.matching.lexicon import pack
from kg_builder.matching.normalise import is_ideograph

_GAP = re.compile(r"[\W_]*")


def mentions(needle: str, text: str) -> list[tuple[int, int]]:
    """Starts and ends of a needle (as ``fold`` gives it) in ``text`` (as ``plain`` does).

    Latin words and digits have to be whole. A lone ideograph has to be all that a clause says: 女 in
    「她是女的」, not in 「女王」.
    """
    words = needle.split()
    first, last = words[0], words[-1]
    lone = len(words) == 1 and len(first) == 1 and is_ideograph(first)
    open_left, open_right = is_ideograph(first[0]), is_ideograph(last[-1])
    usual = ("".join(words), " ".join(words))
    found: list[tuple[int, int]] = []
    start = text.find(first)
    while start >= 0:
        end = _end(words, usual, text, start)
        if end >= 0 and (
            _stands_alone(text, start, end)
            if lone
            else (open_left or start == 0 or not _goes_on(text[start - 1]))
            and (open_right or end == len(text) or not _goes_on(text[end]))
        ):
            found.append((start, end))
            start = text.find(first, end)
        else:
            start = text.find(first, start + 1)
    return found


def _end(words: list[str], usual: tuple[str, str], text: str, start: int) -> int:
    """Where the words end of which the first stands at ``start``; -1 where the others do not follow."""
    for form in usual:
        if text.startswith(form, start):
            return start + len(form)
    end = start + len(words[0])
    for word in words[1:]:
        gap = _GAP.match(text, end)
        furthest = gap.end() if gap else end
        place = text.find(word, end, furthest + len(word))
        if place < 0:
            return -1
        end = place + len(word)
    return end


def _goes_on(character: str) -> bool:
    """Whether a Latin word or a number goes on with that character."""
    return character.isalnum() and not is_ideograph(character)


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = _clause()
    begins = start == 0 or before.match(text, start - 1) is not None
    return begins and after.match(text, end) is not None


@functools.cache
def _clause() -> tuple[re.Pattern[str], re.Pattern[str]]:
    fillers = pack("zh")["fillers"]
    return (
        re.compile(rf"[{fillers['copulas']}\W]"),
        re.compile(rf"[{fillers['endings']}]?(?:\W|$|的)"),
    )


def respaced(needle: str, text: str) -> tuple[int, int] | None:
    """Where a Latin needle first stands with other spaces: "back-flow" for "backflow", "rearview"."""
    letters = needle.replace(" ", "")
    start = text.find(letters[0])
    while start >= 0:
        if start == 0 or not text[start - 1].isalnum():
            end = _spelled(letters, text, start)
            if end >= 0 and not text[end : end + 1].isalnum():
                return start, end
        start = text.find(letters[0], start + 1)
    return None


def _spelled(letters: str, text: str, start: int) -> int:
    """Where the letters end, at most a blank or a hyphen between any two; -1 where they are not there."""
    place = start + 1
    for letter in letters[1:]:
        if text[place : place + 1] == "-" or text[place : place + 1].isspace():
            place += 1
        if not text.startswith(letter, place):
            return -1
        place += 1
    return place
