"""Canonical: text as wordings are compared."""

from __future__ import annotations

from functools import lru_cache

from retrieval.segmentation import fold, is_han

# Quotes and title marks say nothing about what is meant: 《红楼梦》 and 红楼梦 are one book.
DROPPED = frozenset('“”‘’「」『』《》〈〉"`*_')
PUNCTUATION = {"?": "?", "!": "!", ",": ",", "、": "、", ";": ";", ":": ":", "。": "。", "—": "-"}


@lru_cache(maxsize=4096)  # a question's parts are tried as subjects hundreds of times
def canonical(text: str) -> str:
    """Folded, without quotes and title marks, spaces only between words that need them."""
    kept: list[str] = []
    space = False
    for character in fold(text):
        if character.isspace():
            space = True
            continue
        if character in DROPPED:
            continue
        character = PUNCTUATION.get(character, character)
        if space and kept and not (is_han(kept[-1]) or is_han(character)):
            kept.append(" ")
        space = False
        kept.append(character)
    return "".join(kept)


def key(text: str) -> str:
    """The canonical text alone, without punctuation at either end: names compare by it."""
    return canonical(text).strip(" ?!。.,;:、")
