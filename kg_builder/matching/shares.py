"""Shares of a whole, in words and signs: 百分之三十, 三分之二, 四成, 七成五, 半数, 2/3, "two thirds"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kg_builder.matching.lexicon import pack
from kg_builder.matching.numbers import Numeral, chinese_value

_EXACT = 1e-9, 9  # step and digits of a fraction, which is not rounded


class Share(NamedTuple):
    """A share and the worth of its last place; ``end`` is where it ends in the text."""

    value: float
    step: float
    digits: int  # significant digits
    start: int
    end: int


# 成 is no tenth in 成为, 三成员 and the like.
_TENTHS = re.compile(
    r"(?P<tenths>[一二两三四五六七八九十]|(?<![\d.])(?:\d|10)\s?)成"
    r"(?P<more>半|[一二三四五六七八九](?![个位年十百千万]))?(?![为员立功就长人本果交])"
)
# Below one, so that 9/11 is the only date that it may be taken for, and no part of a longer one.
_FRACTION = re.compile(r"(?<![\d./-])(?P<upper>\d{1,2})/(?P<lower>\d{1,3})(?![\d./-])")
_PARTS: list[list[str]] = [names.split() for names in pack("en")["numbers"]["parts"]]
_LOWER = {name: lower for lower, names in enumerate(_PARTS, 2) for name in names}
_PART = re.compile(rf"[\s-](?P<part>{'|'.join(sorted(_LOWER, key=len, reverse=True))})\b")


def shares(text: str, numbers: Sequence[Numeral]) -> Iterator[Share]:
    """The shares of plain ``text``, in which ``numbers`` are all the numerals."""
    if "分之" in text:
        yield from _chinese(text, numbers)
    if "成" in text:
        for found in _TENTHS.finditer(text):
            yield Share(*_tenths(found), *found.span())
    if "半数" in text:
        for found in re.finditer("半数", text):
            yield Share(0.5, *_EXACT, *found.span())
    if "/" in text:
        for found in _FRACTION.finditer(text):
            upper, lower = int(found["upper"]), int(found["lower"])
            if 0 < upper < lower:
                yield Share(upper / lower, *_EXACT, *found.span())
    for number in numbers:
        if (
            number.kind == "english"
            and not number.ordinal
            and (part := _PART.match(text, number.end))
        ):
            value = number.value / _LOWER[part["part"]]
            if value < 1:
                yield Share(value, *_EXACT, number.start, part.end())


def _chinese(text: str, numbers: Sequence[Numeral]) -> Iterator[Share]:
    lower: Numeral | None = None
    for number in numbers:
        if lower is not None and lower.value and text[lower.end : number.start] == "分之":
            percent = lower.value in (100, 1000)
            place = (number.step / lower.value, number.digits) if percent else _EXACT
            yield Share(number.value / lower.value, *place, lower.start, number.end)
        lower = number


def _tenths(found: re.Match[str]) -> tuple[float, float, int]:
    written, more = found["tenths"].strip(), found["more"]
    tenths = float(written) if written.isascii() else chinese_value(written) or 0.0
    if not more:
        return tenths / 10, 0.1, 1
    return tenths / 10 + (0.05 if more == "半" else (chinese_value(more) or 0.0) / 100), 0.01, 2
