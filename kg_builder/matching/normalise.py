"""Text as it is compared: one form for width, case, script variant, diacritics and punctuation."""

from __future__ import annotations

import functools
import re
import unicodedata

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_NOT_WORD = re.compile(r"[\W_]+")
_CJK_GAP = re.compile(rf"(?<=[{CJK}]) (?=[{CJK}])")


@functools.cache
def _simplify() -> dict[int, str]:
    """Traditional → simplified, character by character, so that it composes with other folds."""
    from opencc import OpenCC

    blocks = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x2A6E0))
    characters = [chr(code) for low, high in blocks for code in range(low, high)]
    simple = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {ord(a): b for a, b in zip(characters, simple, strict=True) if a != b}


def fold(text: str) -> str:
    """NFKC, case-folded, simplified, without diacritics; words apart by one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        text = "".join(c for c in text if not unicodedata.combining(c))
        text = unicodedata.normalize("NFKC", text).translate(_simplify())
    else:
        text = text.lower()
    return _CJK_GAP.sub("", _NOT_WORD.sub(" ", text)).strip()
