"""Counters: whether a Chinese numeral counts something, or is a part of a word.

Names are full of numerals: 张三, 伍子胥, 千叶, 百度, 三国演义. What counts is

- an ordinal (第三), and a run that has a magnitude behind a digit (三十六, 一百零八);
- a year or another number read digit by digit, of four digits or with a zero (一九四九, 三〇一);
- any other run before a unit or a measure word (三个, 七千米), or where it is all that a clause says
  beside what leads up to it (「三」, 「答案是三」, 「共三家」);
- formal numerals (壹贰叁 …) only before a unit or measure word or alone, even in a run, and never among
  plain ones; a lone magnitude (百, 千, 万) only before a unit or a measure word that opens a clause.

Measure words that make names as well (二战, 百度, 三角), and words that begin like a count (二人转), are
data: lexicon/units.toml. Two neighbouring digits (三五个, 七八个) are a guess, and no number either.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from kg_builder.matching.lexicon import any_of, pack
from kg_builder.matching.numbers import FORMAL, NO_DIGITS, SCALES, ZEROS

_CLOSE = re.compile(r"\s*(?:$|[^\w\s]|[a-z])|[多余几左上吧呢啊呀哦嘛的了]")
_ADJACENT = frozenset(a + b for a, b in zip("一二三四五六七八", "二三四五六七八九", strict=True)) | {
    "三五", "两三",
}  # fmt: skip


class _Counters(NamedTuple):
    strong: re.Pattern[str]
    weak: re.Pattern[str]
    leads: frozenset[str]
    names: re.Pattern[str]
    articles: re.Pattern[str]


@functools.cache
def _counters() -> _Counters:
    table = pack("units")["counters"]
    return _Counters(
        re.compile(rf"\s*{any_of(table['words'].split())}"),
        re.compile(any_of(table["weak"].split())),
        frozenset(table["leads"]),
        re.compile(any_of(table["names"].split())),
        re.compile(f"[{table['articles']}]"),
    )


def is_counter(text: str, place: int) -> int:
    """Where a measure word that begins at ``place`` of plain ``text`` ends; ``place`` if there is none."""
    counters = _counters()
    found = counters.strong.match(text, place) or counters.weak.match(text, place)
    return found.end() if found else place


def counts(text: str, start: int, end: int, unit_end: int) -> bool:
    """Whether the Chinese numeral at ``start``–``end`` of ``text`` (as ``normalise.plain`` gives it) counts.

    ``unit_end`` is where the unit behind it ends, ``end`` where there is none.
    """
    written = text[start:end]
    counters = _counters()
    formal = any(c in FORMAL for c in written)
    if formal and any(c not in FORMAL and c not in SCALES and c not in ZEROS for c in written):
        return False
    if not formal and len(written) > 1:
        if written == "一半" or "点" in written:
            return True
        if written[0] not in NO_DIGITS and any(c in SCALES for c in written):
            return True
        if len(written) > 3 or (len(written) > 2 and any(c in ZEROS for c in written)):
            return written[0] not in NO_DIGITS
        if written in _ADJACENT:
            return False
    if counters.names.match(text, start):
        return False
    opens = _opens(text, start)
    if written not in NO_DIGITS and opens and _CLOSE.match(text, end):
        return True
    if counters.weak.match(text, end):
        return opens and not formal and written not in NO_DIGITS
    if unit_end == end and not counters.strong.match(text, end):
        return False
    if written == "一" and text[start - 1 : start] in ("是", "为"):
        article = unit_end == end and counters.articles.match(text, end)
        return not article or _CLOSE.match(text, end + 1) is not None
    return opens or written not in NO_DIGITS


def _opens(text: str, start: int) -> bool:
    before = text[:start].rstrip()[-1:]
    return not before.isalnum() or before.isascii() or before in _counters().leads
