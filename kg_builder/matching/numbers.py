"""Numerals in running text: Arabic, Chinese and English, with their magnitudes.

All functions take text as ``normalise.plain`` gives it: simplified, lower case, without thousands commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kg_builder.matching.lexicon import pack

_FORMAL_DIGITS = {c: i for i, c in enumerate("壹贰叁肆伍陆柒捌玖", 1)}
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2} | _FORMAL_DIGITS
_SMALL = {"十": 10, "百": 100, "千": 1000, "拾": 10, "佰": 100, "仟": 1000}
_TWENTIES = {"廿": 20, "卅": 30}
_GREAT = {"万": 10**4, "亿": 10**8, "兆": 10**12}
NUMERALS = "".join({**_DIGITS, **_SMALL, **_TWENTIES, **_GREAT})
FORMAL = frozenset(
    {**_FORMAL_DIGITS, "拾": 10, "佰": 100, "仟": 1000}
)  # as on cheques and in surnames
SCALES = frozenset({**_SMALL, **_GREAT})
NO_DIGITS = SCALES - {"十", "拾"}  # a run does not begin with these unless 一 is left out: 百个
ZEROS = frozenset("零〇")

_ENGLISH_WORDS = pack("en")["numbers"]
_ONES: list[str] = _ENGLISH_WORDS["ones"].split()
_TENS: list[str] = _ENGLISH_WORDS["tens"].split()
_NTHS: list[str] = _ENGLISH_WORDS["ordinals"].split()
_HINTS: list[str] = _ENGLISH_WORDS["hints"].split()
_NTH_TENS = [word[:-1] + "ieth" for word in _TENS]
_VALUES = {
    **{word: i for i, word in enumerate(_ONES)},
    **{word: i for i, word in enumerate(_NTHS)},
    **{word: 20 + 10 * i for i, word in enumerate(_TENS)},
    **{word: 20 + 10 * i for i, word in enumerate(_NTH_TENS)},
}
_MAGNITUDES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SHORT_MAGNITUDES = {"k": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "b": 1e9, "bn": 1e9, "tn": 1e12}
_LONGEST = 30  # digits; more are an identifier, not a number


class Numeral(NamedTuple):
    """One number as it was written. ``step`` is the worth of its last place: 10⁷ for 1.4亿."""

    value: float
    step: float
    digits: int  # significant digits
    kind: str  # arabic, chinese or english
    ordinal: bool
    start: int
    end: int


def _any(words: list[str] | dict[str, float]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


# A small grammar, so that "five and six" stays two numbers.
_BELOW_100 = (
    rf"(?:(?:{_any(_NTH_TENS + _NTHS)})"
    rf"|(?:{_any(_TENS)})(?:[\s-](?:{_any(_ONES[1:10] + _NTHS[1:10])}))?"
    rf"|(?:{_any(_ONES)}))(?![a-z])"
)
_HUNDREDS = rf"(?:{_BELOW_100}|an?)[\s-]hundred(?:th(?![a-z])|(?:\s(?:and\s)?{_BELOW_100})?)"
_BELOW_1000 = rf"(?:{_HUNDREDS}|{_BELOW_100})"
_THOUSANDS = rf"(?:{_any(_MAGNITUDES)})(?:th)?(?![a-z])"
_AND_HALF = r"(?:\sand\sa\shalf(?![a-z]))"
# "half an hour", "an hour and a half": only before what is measured so.
_HALVED = r"\s(?:hour|day|week|month|year|decade|centur|mile|kilomet|met[er]|pound|ton|inch|minute)"
_ENGLISH = (
    rf"(?:{_BELOW_1000}{_AND_HALF}?|half an?|an?)"
    rf"(?:[\s-]{_THOUSANDS}(?:,?\s(?:and\s)?{_BELOW_1000})?)+"
    rf"|(?:{_BELOW_100}|half a|a)\sdozen(?![a-z])|{_BELOW_1000}{_AND_HALF}?"
    rf"|half an?(?={_HALVED})|an?(?={_HALVED}[a-z]*{_AND_HALF})"
)
_CHINESE_MAGNITUDE = f"[多余]?[{''.join({**_SMALL, **_GREAT})}][{NUMERALS}\\d]*"
# One pattern a script, each starting with a plain character class: scanning is then fast.
_ARABIC_PATTERN = re.compile(
    r"(?P<arabic>\d+(?:\.\d+)?)(?:"
    r"(?P<nth>(?:st|nd|rd|th)(?![a-z]))"
    rf"|(?P<great>\s?{_CHINESE_MAGNITUDE})"
    rf"|(?P<magnitude>(?:[\s-]?(?:hundred|{_any(_MAGNITUDES)})(?![a-z]))+"
    rf"|(?:{_any(_SHORT_MAGNITUDES)})(?![a-z0-9]))"
    r"|(?P<power>\s?[x×*]\s?10\^?-?\d{1,2}))?"
)
_CHINESE_PATTERN = re.compile(
    rf"一?半|[{NUMERALS}]+(?:点[{NUMERALS}]+|[多余][{''.join(_GREAT)}]+)?"
)
_ENGLISH_PATTERN = re.compile(rf"\b(?:{_ENGLISH})")
_DIGIT = re.compile(r"\d")
_WORDY = re.compile("[a-z]{3}")
_POWER = re.compile(r"10\^?(-?\d+)")
_NUMBERS = re.compile(r"\d+(?:\.\d+)?|[^多余]")  # 一百多万 is about 一百万


def chinese_value(text: str) -> float | None:
    """The value of Chinese numerals, also mixed with Arabic ones (1亿4000万); None for nonsense."""
    if text in ("半", "一半"):
        return 0.5
    if len(text) > 1 and all(c in _DIGITS for c in text):  # 一九四九, read digit by digit
        return float("".join(str(_DIGITS[c]) for c in text)) if len(text) <= _LONGEST else None
    if "点" in text:
        return _chinese_decimal(text)
    total = section = number = 0.0
    last = 1.0
    for token in _NUMBERS.findall(text):
        if token in _DIGITS:
            number = float(_DIGITS[token])
            last = 1.0 if number == 0 else last  # 一百零五 is 105, 一百五 is 150
        elif token in _TWENTIES:
            section += _TWENTIES[token]
            number, last = 0.0, 10.0
        elif token in _SMALL:
            section += (number or 1) * _SMALL[token]
            number, last = 0.0, float(_SMALL[token])
        elif token in _GREAT:
            great = _GREAT[token]
            section += number
            if total and total < great:  # 一万亿 multiplies, 一亿四千万 adds
                total = (total + section) * great
            else:
                total += (section or 1) * great
            section, number, last = 0.0, 0.0, float(great)
        elif token[0].isascii() and token[0].isdigit() and len(token) <= _LONGEST:
            # 1千8 is 1800, but 1千08 and 1亿4000 are what they say
            number, last = float(token), last if len(token) == 1 else 1.0
        else:
            return None
    return total + section + (number * last / 10 if last > 10 else number)


def _chinese_decimal(text: str) -> float | None:
    whole, _, part = text.partition("点")
    scale = 1.0
    while part and part[-1] in _GREAT:
        scale *= _GREAT[part[-1]]
        part = part[:-1]
    value = chinese_value(whole)
    if value is None or not part or any(c not in _DIGITS for c in part):
        return None
    return (value + float("0." + "".join(str(_DIGITS[c]) for c in part))) * scale


def other_script(written: str) -> str | None:
    """A whole number in Chinese for Arabic, in Arabic for Chinese: 五 and 5, 一九八四 and 1984.

    Of two digits at most, or of four that are read one by one.
    """
    if len(written) == 4:
        chinese = "零一二三四五六七八九"
        if written.isascii() and written.isdigit():
            return "".join(chinese[int(c)] for c in written)
        digits = [chinese.find(c) for c in written.replace("〇", "零")]
        return "".join(map(str, digits)) if min(digits) >= 0 else None
    if written.isascii():
        if not written.isdigit() or written[0] == "0" or len(written) > 2:
            return None
        tens, ones = divmod(int(written), 10)
        chinese = "零一二三四五六七八九"
        ten = ("" if tens < 2 else chinese[tens]) + "十" if tens else ""
        return ten + (chinese[ones] if ones else "")
    value = chinese_value(written) if all(c in "一二三四五六七八九十" for c in written) else None
    return f"{value:.0f}" if value is not None and value < 100 else None


def _english_value(text: str) -> float:
    total, section = 0.0, float(text in ("a", "an"))
    for word in re.split(r"[\s,-]+", text):
        if word == "half":
            section += 0.5
        elif word in _VALUES:
            section += _VALUES[word]
        elif word.startswith("hundred"):
            section = (section or 1) * 100
        elif word == "dozen":
            section = (section or 1) * 12
        elif word.removesuffix("th") in _MAGNITUDES:
            total += (section or 1) * _MAGNITUDES[word.removesuffix("th")]
            section = 0.0
    return total + section


def _trailing_step(text: str) -> float:
    """What one more in the last place would add: 1,000,000 for 三百万, 10,000,000 for 4千万, 1 for 三百."""
    step = 1.0
    for c in reversed(text):
        if c in _GREAT or (c in _SMALL and step > 1):
            step *= _GREAT.get(c) or _SMALL[c]
        else:
            break
    return step


def _arabic(found: re.Match[str]) -> tuple[float, float] | None:
    """Value and step of one number that begins with digits."""
    arabic = found["arabic"]
    if len(arabic) > _LONGEST:
        return None
    value = float(arabic)
    step = 10.0 ** -len(arabic.partition(".")[2])
    scale = 1.0
    if found["great"]:
        great = found["great"].strip()
        whole = chinese_value(arabic + great)
        if whole is None:
            return None
        if any(c.isdigit() or c in _DIGITS for c in great):
            return whole, _trailing_step(great)
        scale = whole / value if value else 1.0
    elif found["magnitude"]:
        for word in re.findall("[a-z]+", found["magnitude"]):
            scale *= _MAGNITUDES.get(word) or _SHORT_MAGNITUDES.get(word) or 100
    elif found["power"]:
        power = _POWER.search(found["power"])
        scale = 10.0 ** int(power[1]) if power else 1.0
    return value * scale, step * scale


def _significant(value: float, step: float) -> int:
    """Significant digits of a value known to a step; at most 15, what a float holds."""
    return len(f"{min(abs(value) / step, 1e15):.0f}")


def _scan(text: str) -> Iterator[Numeral]:
    for found in _ARABIC_PATTERN.finditer(text) if _DIGIT.search(text) else ():
        start, end = found.span()
        before = text[start - 1 : start]
        if before == "." and text[start - 2 : start - 1].isdigit():  # the tail of 1.2.3
            continue
        if "a" <= before <= "z":  # part of a name: b52
            continue
        pair = _arabic(found)
        if pair is not None:
            ordinal = bool(found["nth"]) or before == "第"
            yield Numeral(*pair, _significant(*pair), "arabic", ordinal, start, end)
    if not text.isascii():
        for found in _CHINESE_PATTERN.finditer(text):
            start, end = found.span()
            before = text[start - 1 : start]
            value = None if before.isascii() and before.isdigit() else chinese_value(found.group())
            if value is not None:
                step = _trailing_step(found.group())
                digits = _significant(value, step)
                yield Numeral(value, step, digits, "chinese", before == "第", start, end)
    if may_be_worded(text):
        for found in _ENGLISH_PATTERN.finditer(text):
            last = re.split(r"[\s-]", found.group())[-1]
            ordinal = last in _NTHS or last.endswith(("ieth", "dth", "nth"))
            value = _english_value(found.group())
            step = _MAGNITUDES.get(last, 1.0) if value > 1000 else 1.0
            digits = _significant(value, step)
            yield Numeral(value, step, digits, "english", ordinal, *found.span())


def may_be_worded(text: str) -> bool:
    """Whether a text may hold an English numeral; cheap, and sometimes wrongly so."""
    return _WORDY.search(text) is not None and any(hint in text for hint in _HINTS)


def numerals(text: str) -> list[Numeral]:
    """Every number of ``text`` in order."""
    found = list(_scan(text))
    if len(found) > 1:
        found.sort(key=_place)
    return found


def _place(numeral: Numeral) -> int:
    return numeral.start
