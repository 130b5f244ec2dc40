"""Dates in running text, with their precision, and whether one satisfies another.

Years are historical: 551 BC is -551, as in 「前551年」 and Wikidata's JSON. (RDF and SPARQL write it as
-0550; their readers shift it.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from kg_builder.matching.lexicon import pack
from kg_builder.matching.normalise import is_ideograph
from kg_builder.matching.numbers import NO_DIGITS, NUMERALS, chinese_value

Agreement = Literal["same", "coarser", "other"]


class Date(NamedTuple):
    """Any part may be missing. ``span`` is 1 for a year, 10 for a decade, 100 for a century."""

    year: int | None
    month: int | None
    day: int | None
    span: int
    start: int
    end: int
    part: str = ""  # early, mid or late, where it is said


_MONTHS: list[str] = pack("en")["dates"]["months"].split()
_MONTH_NUMBERS = {
    **{name: i for i, name in enumerate(_MONTHS, 1)},
    **{name[:3]: i for i, name in enumerate(_MONTHS, 1)},
    "sept": 9,
}
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\d)"
_ERA = r"(?:\s?(?P<era>b\.?\s?c\.?(?:\s?e\.?)?|a\.?\s?d\.?|c\.?\s?e\.?)(?![a-z]))"
_BEFORE_ERA = r"(?:(?P<first>a\.?\s?d\.?|b\.?\s?c\.?)\s?)"
# A year with the number of a footnote glued behind it ("on October 9, 19861.") is still that year.
_YEAR = r"(?P<year>[12]\d{3})(?:\d{1,2}(?=[.\s,)]|$)|(?!\d))"

_N = rf"(?:\d{{1,4}}|[{NUMERALS}]{{1,4}})"
_ZH = re.compile(
    rf"(?P<bc>(?:公元|西元)?前|b\.?c\.?\s?)?(?P<ad>公元|西元)?(?P<republic>民国)?\s?(?:"
    rf"(?P<year>{_N}|元)\s?年(?!代)(?:\s?(?P<month>{_N})\s?月(?:份)?(?:\s?(?P<day>{_N})\s?[日号])?)?"
    rf"|(?P<month2>{_N})\s?月\s?(?P<day2>{_N})(?:\s?[日号]|(?!\w))"
    rf"|(?P<month3>{_N})\s?月(?:份)?(?!\w)"
    rf"|(?P<century>{_N})\s?世纪(?:\s?(?P<decade>{_N})\s?年代)?"
    rf"|(?P<decade2>{_N})\s?年代)"
)
_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<m1>\d{2})(?:-(?P<d1>\d{1,2})(?:t[\d:.]+z?)?)?(?!\d|-\d)"
    r"|[/.](?P<m2>\d{1,2})(?:[/.](?P<d2>\d{1,2}))?(?![\d/]))"
)
_SIGNED = re.compile(r"-(?P<year>\d{1,4})(?![\d.%])")
_SLASHED = re.compile(r"(?P<a>\d{1,2})[/.](?P<b>\d{1,2})[/.](?P<year>\d{4})(?!\d)")
# What may stand around the name of a month; each is anchored to it.
_AFTER_MONTH = re.compile(
    rf"\.?,?\s?(?:of\s)?(?:{_YEAR}{_ERA}?"
    rf"|{_DAY}(?:\s?,?\s(?:of\s|in\s)?{_YEAR.replace('year', 'year2')}"
    rf"|,{_YEAR.replace('year', 'year3')})?{_ERA.replace('era', 'era2')}?)"
)
_DAY_BEFORE = re.compile(r"(?<![\d.])(?P<day>\d{1,2})(?:st|nd|rd|th)?\s?(?:day\s)?(?:of\s)?$")
_YEAR_BEFORE = re.compile(r"(?<![\d.])(?P<year>[12]\d{3}),?\s$")
_MONTH_PREPOSITION = re.compile(r"\b(?:in|by|of|since|until|every|each|early|mid|late)[\s-]$")
_YEAR_ERA = re.compile(rf"(?P<year>\d{{1,4}}){_ERA}")
_ERA_YEAR = re.compile(rf"\b{_BEFORE_ERA}(?P<year>\d{{1,4}})(?!\d)")
_DECADE = re.compile(r"(?P<year>[12]\d{2}0|\d0)'?s\b")
_NTH_WORDS: list[str] = pack("en")["numbers"]["ordinals"].split()[1:]
_CENTURY = re.compile(
    rf"\b(?:(?P<number>\d{{1,2}})(?:st|nd|rd|th)|(?P<word>{'|'.join(_NTH_WORDS)}|twenty[\s-]first))"
    rf"[\s-]centur(?:y|ies){_ERA}?"
)
_BARE_YEAR = re.compile(
    r"[12]\d{3}(?![\d%]|[.,]\d|\s?[年月]|\s(?:years?|people|times|miles|feet|metres|meters)\b)"
)
_RANGE = re.compile(r"(?P<year>[12]\d{3})\s?-\s?(?P<end>\d{2})(?![\d-])")
_FIRST_DAY = re.compile(r"(?<![\d.])(?P<day>\d{1,2})(?:st|nd|rd|th)?\s?-\s?$")
_MONTH_IN_DIGITS = re.compile(  # of _ISO and _SLASHED, and not in 8848.86
    r"\d{4}[-/.](?:0?\d|1[0-2])(?!\d)|\d[/.]\d{1,2}[/.]\d{4}"
)
_PART_BEFORE = re.compile(r"\b(early|mid|late)[\s-](?:the\s)?$")
_PART_AFTER = re.compile(r"初|早期|中期|中叶|末|晚期|后期|底")
_PARTS = {"初": "early", "早": "early", "中": "mid", "末": "late", "晚": "late", "后": "late"}
_PART_HINT = re.compile("early|mid|late|[初期叶末底]")
_DIGIT = re.compile(r"\d")
_WORDY = re.compile("[a-z]{3}")
_PIVOT = 30  # two digits below it are a year of this century; spreadsheets have it so too
_YEAR_LEADS = frozenset("在于从自至到是为的年月日了和与及或即前后约")
_MONTH_HINTS = tuple(name[:3] for name in _MONTHS)


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if text == "元":
        return 1
    value = float(text) if text.isascii() else chinese_value(text)
    return int(value) if value is not None else None


def _signed(year: int | None, era: str | None) -> int | None:
    return -year if year is not None and era and era.strip().startswith("b") else year


def _valid(date: Date) -> bool:
    return (
        (date.month is None or 1 <= date.month <= 12)
        and (date.day is None or 1 <= date.day <= 31)
        and not (date.year is None and date.month is None)
    )


def _whole(found: re.Match[str], forbidden: str = ".") -> bool:
    """Whether the number that a match begins with begins there, and is not the tail of another."""
    before = found.string[found.start() - 1 : found.start()]
    return not before.isdigit() and (not before or before not in forbidden)


def _chinese(text: str) -> Iterator[Date]:
    for found in _ZH.finditer(text):
        year = _number(found["year"])
        month = _number(found["month"] or found["month2"] or found["month3"])
        day = _number(found["day"] or found["day2"])
        span = 1
        if found["century"]:
            century, decade = _number(found["century"]) or 1, _number(found["decade"])
            span = 100 if decade is None else 10
            year = 100 * (century - 1) + (decade or 0)
            if found["bc"]:
                year = -year - span
        elif found["decade2"]:
            decade = _number(found["decade2"]) or 0
            year, span = decade + (1900 if decade < 100 else 0), 10
        elif year is not None:
            if found["republic"]:
                year += 1911
            elif year < 100 and not (found["bc"] or found["ad"]):
                year = _short_year(found, year)
            elif found["year"][0] in NO_DIGITS:
                continue  # 千年 is how long
            if year is None and month is None:
                continue
            year = -year if year is not None and found["bc"] else year
        yield Date(year, month, day, span, *found.span())


def _short_year(found: re.Match[str], year: int) -> int | None:
    """The year that two digits mean: 08年, 98年3月. 20年 alone is how long, 贞观十四年 a year of a reign."""
    written = found["year"]
    if len(written) != 2 or "十" in written or not (found["month"] or written[0] in "0零〇"):
        return None
    before = found.string[found.start() - 1 : found.start()]
    if is_ideograph(before or "a") and before not in _YEAR_LEADS:
        return None
    return year + (2000 if year < _PIVOT else 1900)


def _may_name_month(text: str) -> bool:
    return _WORDY.search(text) is not None and any(hint in text for hint in _MONTH_HINTS)


def _months(text: str) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of every name of a month."""
    for hint in _MONTH_HINTS:
        start = text.find(hint)
        while start >= 0:
            end = start + 3
            while end < len(text) and "a" <= text[end] <= "z":
                end += 1
            number = _MONTH_NUMBERS.get(text[start:end])
            if number and not text[start - 1 : start].isalpha():
                yield number, start, end
            start = text.find(hint, end)


def _english(text: str) -> Iterator[Date]:
    for month, begin, end in _months(text):
        before = text[max(0, begin - 14) : begin]
        after = _AFTER_MONTH.match(text, end)
        day_before = _DAY_BEFORE.search(before)
        if after and after["year"]:
            year = _signed(int(after["year"]), after["era"])
            start = begin - len(before) + day_before.start() if day_before else begin
            day = int(day_before["day"]) if day_before else None
            yield Date(year, month, day, 1, start, after.end())
        elif after and not day_before:
            year = _signed(_number(after["year2"] or after["year3"]), after["era2"])
            year_before = None if year else _YEAR_BEFORE.search(before)
            start = begin
            if year_before:
                year, start = int(year_before["year"]), begin - len(before) + year_before.start()
            yield Date(year, month, int(after["day"]), 1, start, after.end())
        elif day_before:
            start = begin - len(before) + day_before.start()
            yield Date(None, month, int(day_before["day"]), 1, start, end)
        elif text[begin:end] not in ("may", "march", "mar", "sep") or (
            _MONTH_PREPOSITION.search(before) or (begin == 0 and end == len(text))
        ):
            yield Date(None, month, None, 1, begin, end)
            continue
        else:
            continue
        first = _FIRST_DAY.search(text[max(0, start - 8) : start])
        if first:  # the first half of 6–14 July
            place = max(0, start - 8) + first.start()
            year = _signed(int(after["year"]), after["era"]) if after and after["year"] else None
            yield Date(year, month, int(first["day"]), 1, place, place + len(first["day"]))


def _centuries(text: str) -> Iterator[Date]:
    for found in _CENTURY.finditer(text):
        word = found["word"]
        number = _number(found["number"]) or (
            _NTH_WORDS.index(word) + 1 if word in _NTH_WORDS else 21
        )
        before = found["era"] and found["era"].strip().startswith("b")
        yield Date(-100 * number if before else 100 * (number - 1), None, None, 100, *found.span())


def _numeric(text: str) -> Iterator[Date]:
    points = "." in text or "/" in text
    if points or "-" in text:
        for found in _ISO.finditer(text):
            if _whole(found):
                sign = text[max(0, found.start() - 2) : found.start()]
                year = int(found["year"])
                yield Date(
                    -year if sign.endswith("-") and not sign[:-1].isalnum() else year,
                    _number(found["m1"] or found["m2"]) or None,  # month 00: not known
                    _number(found["d1"] or found["d2"]) or None,
                    1,
                    *found.span(),
                )
    if points:
        for found in _SLASHED.finditer(text):
            a, b, year = int(found["a"]), int(found["b"]), int(found["year"])
            if _whole(found, "/"):
                month, day = (a, b) if a <= 12 else (b, a)
                yield Date(year, month, day, 1, *found.span())
    if "-" in text:
        for found in _RANGE.finditer(text):
            year, end = int(found["year"]), int(found["end"])
            if _whole(found) and end > year % 100 and not 1 <= end <= 12:
                yield Date(year, None, None, 1, *found.span("year"))
                yield Date(year // 100 * 100 + end, None, None, 1, *found.span("end"))
    for found in _YEAR_ERA.finditer(text) if "c" in text or "d" in text else ():
        if _whole(found, ".,"):
            yield Date(_signed(int(found["year"]), found["era"]), None, None, 1, *found.span())
    if "s" in text:
        for found in _DECADE.finditer(text):
            year = int(found["year"])
            if _whole(found, "$£€"):
                yield Date(year + (1900 if year < 100 else 0), None, None, 10, *found.span())


def _alone(text: str) -> Iterator[Date]:
    if "ad" in text or "bc" in text or "a.d" in text or "b.c" in text:
        for found in _ERA_YEAR.finditer(text):
            yield Date(_signed(int(found["year"]), found["first"]), None, None, 1, *found.span())
    for found in _BARE_YEAR.finditer(text):
        if _whole(found, ".,$£€¥#/-") or _after_dash(found):
            yield Date(int(found.group()), None, None, 1, *found.span())
    if "-" in text:
        for found in _SIGNED.finditer(text):
            if not text[found.start() - 1 : found.start()].isalnum():
                yield Date(-int(found["year"]), None, None, 1, *found.span())


def _after_dash(found: re.Match[str]) -> bool:
    """The second year of 1648-1651."""
    before = found.string[max(0, found.start() - 6) : found.start()]
    return before.endswith(("-", "- ")) and before.rstrip("- ")[-4:].isdigit()


def more_than_years(text: str) -> bool:
    """Whether a text may hold a date that is not just a year; cheap, and sometimes wrongly so."""
    for hint in ("月", "世纪", "年代", "0s", "0's", "centur"):
        if hint in text:
            return True
    signs = "-" in text or "/" in text or "." in text
    return (signs and _MONTH_IN_DIGITS.search(text) is not None) or _may_name_month(text)


def dates(text: str) -> list[Date]:
    """Every date of ``text`` (as ``normalise.plain`` gives it), in order, the most specific reading."""
    readers: list[Callable[[str], Iterator[Date]]] = []
    if "年" in text or "月" in text or "世纪" in text:
        readers.append(_chinese)
    if _may_name_month(text):
        readers.append(_english)
    if "centur" in text:
        readers.append(_centuries)
    taken: list[Date] = []
    if _DIGIT.search(text):
        readers += [_numeric, _alone]
    for read in readers:
        for date in read(text):
            if _valid(date) and all(date.end <= t.start or date.start >= t.end for t in taken):
                taken.append(date)
    if not taken:
        return taken
    if _PART_HINT.search(text):
        taken = [date._replace(part=_part(text, date)) for date in taken]
    if len(taken) > 1:
        taken.sort(key=_start)
    return taken


def _part(text: str, date: Date) -> str:
    before = _PART_BEFORE.search(text[max(0, date.start - 12) : date.start])
    if before:
        return before[1]
    after = _PART_AFTER.match(text, date.end)
    return _PARTS.get(after.group()[0], "late") if after else ""


def _start(date: Date) -> int:
    return date.start


def agreement(gold: Date, other: Date) -> Agreement:
    """Whether ``other`` names the time that ``gold`` does: as precisely or more so is "same".

    A coarser date that does not contradict the gold (1706 for 1706-01-17) is "coarser".
    """
    agreed = _agreement(gold, other)
    if agreed == "same" and gold.part and (other.span, other.month) == (gold.span, gold.month):
        if other.part == gold.part:
            return agreed
        return "other" if other.part else "coarser"
    return agreed


def _agreement(gold: Date, other: Date) -> Agreement:
    if gold.span > 1 or other.span > 1:
        if gold.year is None or other.year is None:
            return "other"
        if gold.span >= other.span:
            return "same" if 0 <= other.year - gold.year < gold.span else "other"
        return "coarser" if 0 <= gold.year - other.year < other.span else "other"
    coarser = False
    for wanted, given in (
        (gold.year, other.year),
        (gold.month, other.month),
        (gold.day, other.day),
    ):
        if wanted is None:
            continue
        if given is None:
            coarser = True
        elif given != wanted:
            return "other"
    return "coarser" if coarser else "same"
