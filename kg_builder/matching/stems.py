"""Stems of English words: inflection is removed, derivation is not (philosophy is not philosophical)."""

from __future__ import annotations

import functools

from kg_builder.matching.lexicon import pack

_VOWELS = frozenset("aeiouy")


@functools.cache
def _spelling() -> dict[str, str]:
    return {
        variant: line.split()[0]
        for line in pack("en")["words"]["spelling"]
        for variant in line.split()[1:]
    }


def variants(word: str) -> list[str]:
    """The other spellings and forms of a word: mice for mouse."""
    root = _spelling().get(word, word)
    return [other for other, of in _spelling().items() if of == root and other != word] + (
        [root] if root != word else []
    )


def _undouble(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz" else word


@functools.lru_cache(maxsize=1 << 16)
def stem(word: str, proper: bool = False) -> str:
    """The stem of a folded word; of a ``proper`` name only plural and possessive are removed."""
    word = _spelling().get(word, word)
    if len(word) <= 3 or not word.isascii() or word[0].isdigit():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if not proper:
        for ending in ("ing", "ed"):
            rest = word.removesuffix(ending)
            if rest != word and len(rest) > 2 and not _VOWELS.isdisjoint(rest):
                word = _undouble(rest)
                break
    # British and American endings: colour, centre, organise.
    if word.endswith("our") and len(word) > 4:
        word = word[:-3] + "or"
    elif word.endswith("tre"):
        word = word[:-2] + "er"
    elif word.endswith(("ise", "isation")):
        word = word.replace("is", "iz")
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
