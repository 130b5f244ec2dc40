"""Dates, numbers and quantities: read in the forms that graphs use, said in both languages."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from kg_builder.question import AnswerType

HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f〇]")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Units that English says otherwise; a measure word for things is left out.
UNITS = {
    "": "",
    "米": "metres",
    "公里": "kilometres",
    "千米": "kilometres",
    "厘米": "centimetres",
    "毫米": "millimetres",
    "海里": "nautical miles",
    "英里": "miles",
    "光年": "light-years",
    "天文单位": "astronomical units",
    "平方公里": "square kilometres",
    "平方千米": "square kilometres",
    "平方米": "square metres",
    "公顷": "hectares",
    "亩": "mu",
    "立方米": "cubic metres",
    "立方千米": "cubic kilometres",
    "人": "people",
    "年": "years",
    "天": "days",
    "岁": "years old",
    "小时": "hours",
    "分钟": "minutes",
    "秒": "seconds",
    "千克": "kilograms",
    "公斤": "kilograms",
    "克": "grams",
    "吨": "tonnes",
    "摄氏度": "degrees Celsius",
    "千瓦": "kilowatts",
    "兆瓦": "megawatts",
    "美元": "US dollars",
    "元": "yuan",
    **dict.fromkeys("个座部集层回卷首篇种枚颗条名位章幅件所家届次册", ""),
}
SUFFIXES = {1: "st", 2: "nd", 3: "rd"}
MAGNITUDES = {
    "": 1,
    "百": 10**2,
    "千": 10**3,
    "万": 10**4,
    "百万": 10**6,
    "千万": 10**7,
    "亿": 10**8,
    "万亿": 10**12,
}
MAX_UNIT = 8  # characters
MAX_DIGITS = 15  # more are an identifier, or several numbers run together
_VAGUE_UNIT = re.compile("[余多几]|以上|以下|以内|左右|不等|起$")

_DATE = re.compile(
    r"(?P<about>约|大约)?(?:(?P<bc>公元前|前)|公元)?(?P<y>[0-9]{1,4})年"
    r"(?:(?P<m>[0-9]{1,2})月)?(?:(?P<d>[0-9]{1,2})[日号])?"
)
_DAY = re.compile(r"(?P<m>[0-9]{1,2})月(?P<d>[0-9]{1,2})[日号]")
# ISO 8601 with astronomical years: 0 is 1 BC. Dots and slashes are common too; a year may stand alone.
_ISO = re.compile(
    r"(?P<sign>-?)(?P<y>[0-9]{3,6})(?:[-./](?P<m>[0-9]{1,2})(?:[-./](?P<d>[0-9]{1,2}))?)?"
    r"(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?"
)
_CENTURY = re.compile(
    r"(?P<bc>公元前|前)?(?:公元)?(?P<c>[0-9]{1,2})世纪(?:(?P<decade>[0-9]0)年代)?"
)
_NUMBER = re.compile(
    r"(?P<about>约|大约)?(?P<n>-?[0-9][0-9,]*(?:\.[0-9]+)?)\s?"
    r"(?P<magnitude>万亿|百万|千万|亿|万|千(?![克米瓦卡帕赫伏字])|百(?!帕))?\s?(?P<unit>[^0-9\s,.;:()（）/~～×+-][^0-9\s,;:()（）~～×+]*)?"
)
_HAN_NUMBER = re.compile(r"[一二三四五六七八九十百千万亿两〇零]+(?P<unit>\D{0,3})")


class Literal(NamedTuple):
    """``key``: equal for equal values. ``en`` is None where a person has to name it."""

    key: str
    zh: str
    en: str | None


def read_literal(text: str, answer: AnswerType) -> Literal | None:
    """The value that a text gives for an answer of that type; None where it gives none.

    Dates keep their precision, but the 1 January of an ISO date is taken for its year: graphs
    write so what is known to the year.
    """
    if answer == "date":
        return _date(text)
    return _quantity(text) if answer == "number" else Literal(text, text, None)


def translate_literal(text: str, answer: AnswerType) -> str | None:
    """The English form of a literal; text without Chinese characters is its own translation."""
    if not HAN.search(text):
        return text
    found = read_literal(text, answer)
    return found.en if found else None


def _date(text: str) -> Literal | None:
    if found := _DATE.fullmatch(text):
        year = int(found["y"])
        if len(found["y"]) < 3 and not (found["bc"] or "公元" in text or found["m"]):
            return None  # 1年 is a span of time
        return _day(1 - year if found["bc"] else year, found["m"], found["d"], found["about"] or "")
    if found := _ISO.fullmatch(text):
        year = int(found["y"]) * (-1 if found["sign"] else 1)
        month, day = found["m"], found["d"]
        if not (found["sign"] or month) and found["y"][0] == "0":
            return None  # 007 and 0001 are no years
        if month and not int(month):
            month = day = None
        if day and not int(day):
            day = None
        if month and int(month) == 1 and (day is None or int(day) == 1):
            month = day = None
        return _day(year, month, day, "")
    if found := _CENTURY.fullmatch(text):
        return _century(found)
    if found := _DAY.fullmatch(text):
        if not _is_day(int(found["m"]), int(found["d"])):
            return None
        return Literal(text, text, f"{MONTHS[int(found['m']) - 1]} {int(found['d'])}")
    return None


def _day(year: int, month: str | None, day: str | None, about: str) -> Literal | None:
    """``year`` is astronomical. A day without a month is no date."""
    if (month and not _is_day(int(month), int(day or 1), year)) or (day and not month):
        return None
    zh, en, key = f"{about}{year}年", str(year), f"{about}{year}"
    if year < 1:
        zh, en = f"{about}公元前{1 - year}年", f"{1 - year} BC"
    elif year < 100:  # 50年 alone is how long
        zh, en = f"{about}公元{year}年", f"AD {year}"
    if month and day:
        m, d = int(month), int(day)
        zh = f"{zh}{m}月{d}日"
        en = f"{MONTHS[m - 1]} {d}, {en}"
        key = f"{key}-{m:02}-{d:02}"
    elif month:
        zh += f"{int(month)}月"
        en = f"{MONTHS[int(month) - 1]} {en}"
        key += f"-{int(month):02}"
    return Literal(key, zh, f"about {en}" if about else en)


def _is_day(month: int, day: int, year: int = 2000) -> bool:
    """Leap years are reckoned as the calendar of today does, before 1582 too."""
    if not 1 <= month <= 12 or not 1 <= day <= DAYS[month - 1]:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day < 29 or month != 2 or leap


def _century(found: re.Match[str]) -> Literal:
    era, century = (" BC" if found["bc"] else ""), int(found["c"])
    said = f"{ordinal(century)} century{era}"
    if found["decade"]:
        said = f"{(century - 1) * 100 + int(found['decade'])}s{era}"
    return Literal(found[0], found[0], said)


def _quantity(text: str) -> Literal | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        known = _HAN_NUMBER.fullmatch(text)
        vague = known is None or _VAGUE_UNIT.search(known["unit"])
        return None if vague else Literal(text, text, None)
    about, written, magnitude, unit_written = found.group("about", "n", "magnitude", "unit")
    if len(written) > MAX_DIGITS and sum(map(str.isdigit, written)) > MAX_DIGITS:
        return None
    unit = _unit(unit_written or "")
    if unit is None:
        return None
    number = float(written.replace(",", "")) * MAGNITUDES[magnitude or ""]
    key = f"{about or ''}{number:.12g}{unit.key}"
    if unit.en is None:
        return Literal(key, text, None)
    whole = number == int(number)
    if whole and unit.key == "" and not magnitude and "," not in written:
        said = written
    else:
        said = f"{number:,.0f}" if whole and abs(number) >= 10**4 else f"{number:.10g}"
    if unit.en:
        said = f"{said} {unit.en}"
    return Literal(key, text, f"about {said}" if about else said)


class _Unit(NamedTuple):
    key: str
    en: str | None  # None where a person has to name it


@lru_cache(maxsize=1 << 12)
def _unit(written: str) -> _Unit | None:
    """What stands behind a number; None where it makes the number vague, or is no unit."""
    unit = written.strip()
    if len(unit) > MAX_UNIT or _VAGUE_UNIT.search(unit):
        return None
    known = unit in UNITS or not HAN.search(unit)
    return _Unit(unit.lower(), UNITS.get(unit, unit) if known else None)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{SUFFIXES.get(number % 10, 'th')}"
