"""The language packs: words of Chinese and English that decide how an answer means what it names."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any

from kg_builder.matching.normalise import fold, plain

_FOLDER = Path(__file__).parent


@functools.cache
def pack(language: str) -> dict[str, Any]:
    """The words of one language ("zh", "en"), or the ``units``."""
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


@functools.cache
def words(language: str, section: str, key: str) -> frozenset[str]:
    """A word list, folded, without the spaces around."""
    return frozenset(fold(word).strip() for word in pack(language)[section][key])


def any_of(entries: list[str] | frozenset[str]) -> str:
    """A pattern of any of ``entries``, the longest first, each a whole word where it is Latin.

    Every branch begins with a literal character, the word boundary behind it: so the engine can skip
    to the places where one may begin, instead of trying each branch everywhere.
    """
    patterns = []
    for entry in sorted({plain(entry) for entry in entries}, key=lambda e: (-len(e), e)):
        first, rest = re.escape(entry[0]), re.escape(entry[1:])
        before = f"(?<![a-z]{first})" if "a" <= entry[0] <= "z" else ""
        after = "(?![a-z])" if "a" <= entry[-1] <= "z" else ""
        patterns.append(first + before + rest + after)
    return f"(?:{'|'.join(patterns)})"
