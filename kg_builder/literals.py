"""Dates, numbers and quantities written in Chinese, said in English."""

from __future__ import annotations

import re

from kg_builder.question import AnswerType

HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f〇]")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
UNITS = {
    "": "",
    "米": "metres",
    "公里": "kilometres",
    "千米": "kilometres",
    "厘米": "centimetres",
    "毫米": "millimetres",
    "平方公里": "square kilometres",
    "平方千米": "square kilometres",
    "平方米": "square metres",
    "公顷": "hectares",
    "人": "people",
    "年": "years",
    "天": "days",
    "岁": "years old",
    "千克": "kilograms",
    "公斤": "kilograms",
    "克": "grams",
    "吨": "tonnes",
    "摄氏度": "degrees Celsius",
    "小时": "hours",
    "分钟": "minutes",
    "个": "",
    "座": "",
    "部": "",
    "集": "",
    "层": "",
    "回": "",
    "卷": "",
    "首": "",
    "篇": "",
    "种": "",
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

_DATE = re.compile(
    r"(?P<about>约|大约)?(?P<bc>公元前|前)?(?:公元)?(?P<y>\d{1,4})年"
    r"(?:(?P<m>\d{1,2})月)?(?:(?P<d>\d{1,2})日)?"
)
_CENTURY = re.compile(r"(?P<bc>公元前|前)?(?:公元)?(?P<c>\d{1,2})世纪(?:(?P<decade>\d0)年代)?")
_NUMBER = re.compile(
    r"(?P<about>约|大约)?(?P<n>\d[\d,]*(?:\.\d+)?)(?P<magnitude>万亿|百万|千万|亿|万|千|百)?(?P<unit>\D*)"
)


def translate_literal(text: str, answer: AnswerType) -> str | None:
    """The English form of a literal; None where it has to be named by a person.

    Text without Chinese characters is its own translation. Dates keep their precision.
    """
    if not HAN.search(text):
        return text
    if answer == "date":
        return _date(text)
    return _quantity(text) if answer == "number" else None


def _date(text: str) -> str | None:
    if found := _DATE.fullmatch(text):
        year = int(found["y"])
        said = f"{year} BC" if found["bc"] else str(year)
        if found["m"] and not 1 <= int(found["m"]) <= 12:
            return None
        if found["m"] and found["d"]:
            said = f"{MONTHS[int(found['m']) - 1]} {int(found['d'])}, {said}"
        elif found["m"]:
            said = f"{MONTHS[int(found['m']) - 1]} {said}"
        return f"about {said}" if found["about"] else said
    if found := _CENTURY.fullmatch(text):
        era = " BC" if found["bc"] else ""
        century = int(found["c"])
        if found["decade"]:
            return f"{(century - 1) * 100 + int(found['decade'])}s{era}"
        return f"{ordinal(century)} century{era}"
    return None


def _quantity(text: str) -> str | None:
    found = _NUMBER.fullmatch(text)
    if found is None or found["unit"].strip() not in UNITS:
        return None
    value = float(found["n"].replace(",", "")) * MAGNITUDES[found["magnitude"] or ""]
    said = f"{value:,.0f}" if value == int(value) and value >= 10**4 else f"{value:.10g}"
    return " ".join(
        part
        for part in ("about" if found["about"] else "", said, UNITS[found["unit"].strip()])
        if part
    )


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{SUFFIXES.get(number % 10, 'th')}"
