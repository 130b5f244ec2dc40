"""Canonical: text as wordings are compared, with the way back to the original offsets."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from retrieval.segmentation import fold, is_han

# Quotes and title marks say nothing about what is meant: 《红楼梦》 and 红楼梦 are one book.
DROPPED = frozenset('“”‘’「」『』《》〈〉"`*_')
PUNCTUATION = {"?": "?", "!": "!", ",": ",", "、": "、", ";": ";", ":": ":", "。": "。", "—": "-"}


class Canonical(NamedTuple):
    """``offsets[i]`` is where character ``i`` of ``text`` stands in the original."""

    text: str
    offsets: tuple[int, ...]

    def original(self, source: str, start: int, end: int) -> tuple[int, int]:
        """Offsets in ``source`` of the canonical span; dropped marks around it are taken along."""
        if start >= end:
            return 0, 0
        left, right = self.offsets[start], self.offsets[end - 1] + 1
        # 《夜航书》 is answered with its marks: they belong to the name if they enclose the span.
        while left > 0 and right < len(source) and _encloses(source[left - 1], source[right]):
            left, right = left - 1, right + 1
        return left, right


_PAIRS = {"《": "》", "〈": "〉", "“": "”", "‘": "’", "「": "」", "『": "』", '"': '"'}


def _encloses(left: str, right: str) -> bool:
    return _PAIRS.get(left) == right


@lru_cache(maxsize=4096)  # a question's parts are tried as subjects hundreds of times
def canonical(text: str) -> Canonical:
    """Folded, without quotes and title marks, spaces only between words that need them."""
    folded = fold(text)
    kept: list[str] = []
    offsets: list[int] = []
    space = -1
    for place, character in enumerate(folded):
        if character.isspace():
            space = place
            continue
        if character in DROPPED:
            continue
        character = PUNCTUATION.get(character, character)
        if space >= 0 and kept and not (is_han(kept[-1]) or is_han(character)):
            kept.append(" ")
            offsets.append(space)
        space = -1
        kept.append(character)
        offsets.append(place)
    return Canonical("".join(kept), tuple(offsets))


def key(text: str) -> str:
    """The canonical text alone, without punctuation at either end: names compare by it."""
    return canonical(text).text.strip(" ?!。.,;:、")
