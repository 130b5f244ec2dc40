"""Text as it is compared: one form for width, case, script variant, diacritics and punctuation.

``fold`` turns a text into words with one space before, between and after them: `` 岳 云 of song ``.
Every Chinese character is a word of its own, so one substring search respects the word boundaries of
Latin and digits (6 is not in 1968) and still finds Chinese names anywhere.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable

# Ideographs; kana and hangul stay words like Latin letters.
_FIRST = 0x3007  # 〇
_IDEOGRAPHS = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
IDEOGRAPH = "〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

# Combining marks that decorate a letter. Marks of other scripts (dakuten, matras) make another letter.
_DIACRITICS = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)

# Letters whose case mapping does not return to itself, or that carry no decomposition.
_LETTERS = {
    "ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h",
    "ŧ": "t", "ŋ": "n", "ĸ": "k", "ſ": "s",
}  # fmt: skip

# Ideographs that the tables of OpenCC convert in a circle, or differently by region.
_VARIANTS = {"幺": "么", "苎": "苧", "颚": "腭", "鲶": "鲇"}

# Dashes and quotation marks have many forms that NFKC keeps apart.
_PUNCTUATION = {
    **dict.fromkeys("‐‑‒–—―−﹣～〜", "-"), **dict.fromkeys("‘’‛′ʼ`´", "'"),
    **dict.fromkeys("“”„‟″「」『』", '"'), **dict.fromkeys("・•‧∙⋅●･᛫", "·"), "\u200b": "", "\ufeff": "",
}  # fmt: skip


def is_ideograph(character: str) -> bool:
    code = ord(character)
    return code >= _FIRST and (
        code == _FIRST or any(low <= code <= high for low, high in _IDEOGRAPHS)
    )


@functools.cache
def _converters() -> tuple[Callable[[str], str], ...]:
    from opencc import OpenCC

    # The Taiwan and Hong Kong tables know regional forms (著 for 着) that the first one leaves alone.
    return tuple(OpenCC(name).convert for name in ("s2t", "t2s", "tw2s", "hk2s"))


def _simple(character: str) -> str:
    """One ideograph in simplified script; alone, so that 乾隆 and 干隆 still compare equal.

    Through the traditional form first: 锺 is simplified already, and yet another way to write 钟.
    """
    to_traditional, *to_simple = _converters()
    traditional = to_traditional(character)
    for convert in to_simple:
        simple = convert(traditional)
        if simple != traditional:
            break
    return _VARIANTS.get(simple, simple)


def _letters(character: str) -> str:
    """The comparable letters of one character: NFKC, case and diacritics removed."""
    folded = unicodedata.normalize("NFKD", character).casefold()
    folded = unicodedata.normalize("NFKD", _LETTERS.get(folded, folded))
    return "".join(
        _LETTERS.get(c, c)
        for c in folded
        if not any(low <= ord(c) <= high for low, high in _DIACRITICS)
    )


class _Words(dict[int, str]):
    """A table for str.translate that learns each character when it first meets it."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = "".join(map(self.part, _letters(chr(code))))
        return folded

    @staticmethod
    def part(character: str) -> str:
        if is_ideograph(character):
            return f" {_simple(character)} "
        if character == "\x01":  # a decimal point, see _separators
            return "."
        if character in "+#" or character.isalnum() or unicodedata.category(character)[0] == "M":
            return character
        return " and " if character == "&" else " "


class _Plain(_Words):
    """The same letters, but punctuation and the places of the words stay as they are."""

    @staticmethod
    def part(character: str) -> str:
        if is_ideograph(character):
            return _simple(character)
        return _PUNCTUATION.get(character, character)


_WORDS = _Words()
_PLAIN = _Plain()

_DIGIT_SEPARATOR = re.compile(r"[.,．，]\d")  # at the least; begins with what is rare
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[,，]\d{3})+(?!\d)")
_POINT = re.compile(r"(?<=\d)[.．](?=\d)")
_LOOSE_SIGN = re.compile(r"(?<![a-z+#])[+#]+")


def _separators(text: str) -> str:
    """1,000,000 loses its commas; the point of 3.5 is kept (as \\x01, which no table drops)."""
    text = _THOUSANDS.sub(lambda found: re.sub("[,，]", "", found.group()), text)
    return _POINT.sub("\x01", text)


def fold(text: str) -> str:
    """The words of ``text``, each with a space on both sides; a single space where there are none."""
    if "\x01" in text:
        text = text.replace("\x01", " ")
    if ("," in text or "." in text or "，" in text or "．" in text) and _DIGIT_SEPARATOR.search(
        text
    ):
        text = _separators(text)
    folded = " ".join(text.translate(_WORDS).split())
    if "+" in folded or "#" in folded:  # C++ and C# are words, +86 and #1 are numbers
        folded = " ".join(_LOOSE_SIGN.sub(" ", folded).split())
    return f" {folded} " if folded else " "


def plain(text: str) -> str:
    """``text`` in the letters of ``fold`` with its punctuation, for what has to look at clauses."""
    if ("," in text or "，" in text) and _DIGIT_SEPARATOR.search(text):
        text = _THOUSANDS.sub(lambda found: re.sub("[,，]", "", found.group()), text)
    return text.translate(_PLAIN)
