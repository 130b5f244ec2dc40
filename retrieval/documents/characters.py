"""Characters as people type them: what only looks like a letter becomes it, what nobody sees goes.

PDFs bear radicals in place of characters (⽇ U+2F47 for 日), and ligatures: a quote with them cannot be
found by who searches the document for it. Full-width letters, ², ① and the like mean
something of their own and stay.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

# Blocks of characters that are another one's shape: Kangxi radicals, compatibility ideographs, Latin
# ligatures.
_SHAPES = (
    (0x2F00, 0x2FD5),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
    (0xFB00, 0xFB06),
)
_SPACES = "\u00a0\u2000-\u200a\u202f\u205f"
_INVISIBLE = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff"
_SURROGATE = re.compile("[\ud800-\udfff]")
_RARE = re.compile(
    f"[{_INVISIBLE}{_SPACES}\u2e80-\u2eff\u2028\u2029"
    + "".join(f"{chr(first)}-{chr(last)}" for first, last in _SHAPES)
    + "]"
)


def clean(text: str) -> str:
    """The text in characters that can be searched, stored and written as UTF-8.

    Halves of surrogate pairs are put together, single ones become U+FFFD.
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _RARE.sub(_plain, text)


def _plain(found: re.Match[str]) -> str:
    return _plain_character(found.group())


@cache
def _plain_character(character: str) -> str:
    if character in _radicals():
        return _radicals()[character]
    if unicodedata.category(character) == "Zs":
        return " "
    if character in "\u2028\u2029":
        return "\n"
    code = ord(character)
    if any(first <= code <= last for first, last in _SHAPES):
        return unicodedata.normalize("NFKC", character)
    return character if unicodedata.category(character) == "So" else ""


@cache
def _radicals() -> dict[str, str]:
    """Radical → the character that it is: Unicode's EquivalentUnifiedIdeograph."""
    table = files("retrieval.documents").joinpath("radicals.tsv").read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return {chr(int(radical, 16)): chr(int(character, 16)) for radical, character in pairs}
