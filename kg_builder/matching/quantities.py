"""Quantities: numbers with their units, and whether two of them are the same."""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

from kg_builder.matching.counters import counts
from kg_builder.matching.dates import more_than_years
from kg_builder.matching.lexicon import pack
from kg_builder.matching.normalise import plain
from kg_builder.matching.numbers import NUMERALS, Numeral, may_be_worded, numerals
from kg_builder.matching.shares import Share, shares

Likeness = Literal["same", "rounded", "near", "other"]
_NEAR = 0.05  # relative difference up to which a rounded number may mean the same


class Quantity(NamedTuple):
    """A number in the base unit of its ``dimension`` ("" where no unit is known).

    ``step`` is what one more in the last written place is worth, in the same base unit.
    """

    value: float
    step: float
    digits: int
    dimension: str
    unit: str
    ordinal: bool
    rounded: bool  # said to be approximate
    bare: bool  # a Chinese numeral or a "one" that counts nothing
    start: int
    end: int


class Unit(NamedTuple):
    dimension: str
    name: str
    factor: float = 1.0
    offset: float = 0.0


class _Lexicon(NamedTuple):
    by_name: dict[str, Unit]
    names: dict[str, tuple[tuple[str, Unit], ...]]  # by first character, the longest first
    signs: tuple[tuple[str, Unit], ...]  # of currencies, before a number
    last: frozenset[str]  # last characters of those
    rounding_before: tuple[str, ...]
    rounding_after: tuple[str, ...]


@functools.cache
def _lexicon() -> _Lexicon:
    table = pack("units")
    by_name: dict[str, Unit] = {}
    units: dict[str, Unit] = {}
    for dimension, entries in table["units"].items():
        for name, entry in entries.items():
            by_name[name] = unit = Unit(
                dimension, name, entry.get("factor", 1.0), entry.get("offset", 0.0)
            )
            units |= dict.fromkeys(map(plain, entry["names"]), unit)
    names: dict[str, tuple[tuple[str, Unit], ...]] = {}
    for word, unit in sorted(units.items(), key=lambda item: -len(item[0])):
        names[word[0]] = (*names.get(word[0], ()), (word, unit))
    signs = tuple(
        (plain(sign), units[plain(name)])
        for sign, name in sorted(table["prefixes"].items(), key=lambda item: -len(item[0]))
    )
    return _Lexicon(
        by_name,
        names,
        signs,
        frozenset(sign[-1] for sign, _ in signs),
        tuple(map(plain, table["rounding"]["before"])),
        tuple(map(plain, table["rounding"]["after"])),
    )


def quantities(text: str) -> list[Quantity]:
    """Every number of ``text`` (as ``normalise.plain`` gives it) with the unit beside it."""
    numbers = numerals(text)
    if not numbers:
        return []
    found = [_share(share) for share in shares(text, numbers)]
    taken = [(q.start, q.end) for q in found]
    measured_to = 0
    for numeral in numbers:
        # The 千 of 平方千米 is no number, nor is the 二 of 三分之二.
        if numeral.start < measured_to or any(a <= numeral.start < b for a, b in taken):
            continue
        quantity = _measure(text, numeral)
        measured_to = quantity.end
        found.append(quantity)
    if taken:
        found.sort(key=_place)
    return _sums(text, found)


def _place(quantity: Quantity) -> int:
    return quantity.start


def _share(share: Share) -> Quantity:
    value, step, digits, start, end = share
    return Quantity(value, step, digits, "ratio", "", False, False, False, start, end)


def _measure(text: str, numeral: Numeral) -> Quantity:
    before = text[max(0, numeral.start - 20) : numeral.start].rstrip()
    lexicon = _lexicon()
    unit, end = _unit_before(before), numeral.end
    value = numeral.value
    inches = _INCHES.match(text, end) if "'" in text else None
    ordinal = numeral.ordinal or before.endswith(_ORDINAL)
    if unit is not None:
        before = before.rstrip("$€£¥₩₹ ")
    elif inches is not None:  # 5'11"
        value, unit, end = value + float(inches[1]) / 12, lexicon.by_name["foot"], inches.end()
    elif not ordinal:
        unit, end = _unit_after(text, numeral.end)
        if unit is None and text.startswith("倍半", end):
            value, end = value + 0.5, end + 2
        elif unit is None and text.startswith("个半", end):  # 两个半小时
            unit, end = _unit_after_half(text, end)
            value += 0.5 if unit else 0
        elif unit is not None and (half := _HALF.match(text, end)):  # 两年半
            value, end = value + 0.5, half.end()
    if (before.endswith("-") and not before[-2:-1].isalnum()) or before.endswith(
        ("负", "零下", "倒数第")
    ):
        value = -value
    after = text[end : end + 16].lstrip(), text[numeral.end : numeral.end + 2]
    return Quantity(
        value * unit.factor + unit.offset if unit else value,
        numeral.step * unit.factor if unit else numeral.step,
        numeral.digits,
        unit.dimension if unit else "",
        unit.name if unit else "",
        ordinal,
        before.endswith(lexicon.rounding_before)
        or after[0].startswith(lexicon.rounding_after)
        or after[1].startswith(lexicon.rounding_after),
        not ordinal and _is_bare(text, numeral, unit, end),
        numeral.start,
        end,
    )


_HALF = re.compile(r"半|\sand\sa\shalf(?![a-z])")
_ORDINAL = ("number", " no", " no.", "#", "第")


def _unit_before(before: str) -> Unit | None:
    lexicon = _lexicon()
    if before[-1:] not in lexicon.last:
        return None
    for sign, unit in lexicon.signs:
        if before.endswith(sign) and not (
            "a" <= sign[0] <= "z" and before[: -len(sign)][-1:].isalpha()
        ):
            return unit
    return None


def _unit_after(text: str, place: int) -> tuple[Unit | None, int]:
    """The unit that follows a number, and where it ends."""
    start = place
    if text[start : start + 1] in (" ", "-"):
        start += 1
    if text[start : start + 1] in ("多", "余"):
        start += 1
    for word, unit in _lexicon().names.get(text[start : start + 1], ()):
        end = start + len(word)
        if text.startswith(word, start) and not (
            "a" <= word[-1] <= "z" and text[end : end + 1].isalpha()
        ):
            return unit, end
    return None, place


def _unit_after_half(text: str, place: int) -> tuple[Unit | None, int]:
    """The unit behind the 个半 at ``place``, whether it is one with 个 (个月) or without (小时)."""
    unit, end = _unit_after(text, place + 2)
    if unit is None:
        unit, end = _unit_after(text[: place + 1] + text[place + 2 :], place)
        end += 1
    return (unit, end) if unit is not None else (None, place)


def _is_bare(text: str, numeral: Numeral, unit: Unit | None, end: int) -> bool:
    if numeral.kind == "chinese":
        if unit is not None and end == numeral.end:  # a sign before it, or 百分之 within
            return False
        return not counts(text, numeral.start, numeral.end, end)
    if numeral.kind == "english" and numeral.value == 1:  # "one of them", "the one who"
        return bool(
            re.match(r"\s(?:of|can|could|may|might|should|would|who|that)\b", text[numeral.end :])
        )
    return False


# 5'11", and 5'11 where nothing follows it; then the inches of 5 ft 11 or 5 ft 11 in: only there is "in" one.
_INCHES = re.compile(
    r"'\s?(\d{1,2}(?:\.\d+)?)(?:\s?(?:\"|''|in(?:ch(?:es)?)?\b)|(?=\s?(?:$|[,;)]|\.(?:\s|$))))"
)
_LAST_INCH = re.compile(r"\s?(?:\"|''|in\b(?!\s\w)|$|[,;)]|\.(?:\s|$))")
_JOINT = re.compile(r"(?:\s|,\s|\sand\s|又|零)?$")


def _sums(text: str, found: list[Quantity]) -> list[Quantity]:
    """5 feet 11 inches is one length, 1小时30分钟 one time: ever smaller units in a row."""
    summed: list[Quantity] = []
    for quantity in found:
        last = summed[-1] if summed else None
        if last is not None and (part := _shortened(text, last, quantity)) is not None:
            summed[-1] = last._replace(
                value=last.value + part, step=quantity.step, digits=9, end=quantity.end
            )
        elif (
            last is not None
            and quantity.dimension not in ("", "ratio", "temperature")
            and last.dimension == quantity.dimension
            and last.unit != quantity.unit
            and last.value > quantity.value
            and last.step > quantity.step
            and _JOINT.fullmatch(text[last.end : quantity.start])
        ):
            summed[-1] = last._replace(
                value=last.value + quantity.value, step=quantity.step, digits=9, end=quantity.end
            )
        else:
            summed.append(quantity)
    return summed


def _shortened(text: str, last: Quantity, quantity: Quantity) -> float | None:
    """What a number adds whose unit is left out: 1小时40分 is 100 minutes, 1米8 is 1.8 metres."""
    gap = text[last.end : quantity.start]
    if quantity.dimension or quantity.ordinal or gap not in ("", " "):
        return None
    if last.unit == "foot" and quantity.value < 12 and _LAST_INCH.match(text, quantity.end):
        return quantity.value * 0.0254
    if last.unit == "hour" and text.startswith("分", quantity.end):
        return quantity.value * 60
    if gap:
        return None
    digits = quantity.end - quantity.start
    if last.unit == "metre" and text[last.end - 1] == "米" and digits < 3 and quantity.value < 100:
        return quantity.value / float(10**digits)
    return None


def is_lone_number(answer: str, flat: str, figure: str) -> bool:
    """Whether ``figure``, which is in the folded answer, is all that the answer has of numbers and dates.

    Then nothing needs to be read to know that it is the same number. Sure where it says so; cheap.
    """
    if _MORE.search(answer) or more_than_years(flat):
        return False
    rest = flat.replace(figure, " ", 1)
    return _NUMERIC.search(rest) is None and not may_be_worded(rest)


# A sign, a range, a fraction or a time of day; what is left of them in folded text looks like a number.
_MORE = re.compile(r"[-–—−~～+/:：负%％‰]|零下|[Mm]inus")
_NUMERIC = re.compile(rf"[\d{NUMERALS}半年日号时分秒成]")


def likeness(gold: Quantity, other: Quantity) -> Likeness:
    """Whether ``other`` is the number that ``gold`` is.

    A missing unit is supplied by the question; different ones (5 miles, 5 km) are converted. "rounded"
    means that the finer number, rounded or cut at the last place of the coarser one, gives it (8848 米
    for 8848.86 米, 1.4亿 for 143,000,000); "near" that it is said to be about right and is within 5%.
    """
    a, b = gold, other
    if {a.dimension, b.dimension} == {"angle", "temperature"}:  # 度 may be either
        a, b = (q._replace(dimension="") if q.dimension == "angle" else q for q in (a, b))
    if a.dimension and b.dimension and a.dimension != b.dimension:
        return "other"
    if a.ordinal != b.ordinal and (a.dimension or b.dimension):  # number 1 is not one week
        return "other"
    if a.dimension != b.dimension:  # one has no unit: it may be meant in that of the other
        scales = [_lexicon().by_name.get(a.unit or b.unit, Unit("ratio", "", 0.01))]
        if "ratio" in (a.dimension, b.dimension):
            scales.append(Unit("ratio", ""))  # 一半 is 50% and so is 0.5
        pairs = [(a, _lift(b, u)) if a.dimension else (_lift(a, u), b) for u in scales]
        return min((_compare(*pair) for pair in pairs), key=_ORDER.index)
    return _compare(a, b)


_ORDER: list[Likeness] = ["same", "rounded", "near", "other"]


def _lift(quantity: Quantity, unit: Unit) -> Quantity:
    return quantity._replace(
        value=quantity.value * unit.factor + unit.offset, step=quantity.step * unit.factor
    )


def _compare(gold: Quantity, other: Quantity) -> Likeness:
    largest = max(abs(gold.value), abs(other.value))
    difference = abs(gold.value - other.value)
    if difference <= 1e-9 * largest:
        return "same"
    coarse = gold if gold.step >= other.step else other
    if gold.unit and other.unit and gold.unit != other.unit:
        if difference <= 0.01 * largest:  # a conversion is never exact to the last place
            return "rounded"
    else:
        # Rounded, or cut off as people do (8848 for 8848.86); two digits have to admit it.
        fine = other if coarse is gold else gold
        cut = coarse.digits > 2 and abs(coarse.value) < abs(fine.value)
        enough = coarse.digits > 2 or (coarse.digits == 2 and (coarse.rounded or coarse is gold))
        if enough and difference < coarse.step * (0.999999 if cut else 0.500001):
            return "rounded"
    rough = gold.rounded or other.rounded or _written_roughly(coarse)
    return "near" if rough and difference <= _NEAR * largest else "other"


def _written_roughly(quantity: Quantity) -> bool:
    """1.4亿 is written as a rounded number, 140,000,000 persons and 1963 are not."""
    return quantity.step > 1 or (quantity.step < 1 and quantity.digits < 3)
