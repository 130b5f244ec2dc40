"""Golds made ready for comparison, once for every answer that will be held against them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from kg_builder.matching.counters import is_counter
from kg_builder.matching.dates import Date, agreement, dates
from kg_builder.matching.lexicon import pack, words
from kg_builder.matching.names import forms
from kg_builder.matching.normalise import fold, is_ideograph, plain
from kg_builder.matching.numbers import FORMAL, numerals, other_script
from kg_builder.matching.overlap import Words, prepare_words
from kg_builder.matching.quantities import Quantity, quantities
from kg_builder.matching.stems import stem
from kg_builder.question import AnswerType, Gold

_LIST = re.compile(r"[、,，;；/]|\s和\s?|(?<=[\u4e00-\u9fff])[和与及](?=[\u4e00-\u9fff])")
_NAMED = frozenset({"person", "place", "organization", "work", "language"})  # never counts
_TIMELESS = _NAMED | {"number"}  # never a date: 《1984》
_MOST_NOUNS = 3  # words that a number may count and still be a number


# What a gold is like, for the judge.
TRAITS = (
    "objects", "need_all", "is_date", "is_number", "is_proper", "capitals", "least_words",
    "gold_chinese", "type_person", "type_place", "type_organization", "type_work",
)  # fmt: skip
_SEVERAL = 3  # objects; more are mostly aliases
_WORD = re.compile(r"[^\W_]+")
_SIGN = re.compile(r"[+-](?=\d)")


class Name(NamedTuple):
    """One name of one object. All its strings are folded, with a space on both sides."""

    raw: str
    plain: str
    needles: tuple[str, ...]  # each of them in an answer is the name
    family: frozenset[str]  # those of the needles that are only the family name
    places: tuple[str, ...]  # wider places
    parts: tuple[str, ...]  # the items, where the name is a list
    spaced: tuple[str, ...]  # the Latin needles that may have their spaces and hyphens elsewhere
    pairs: tuple[str, ...]  # neighbouring ideographs of a name of four or more
    dates: tuple[Date, ...]  # where the name is a date, or the two ends of a range
    quantities: tuple[Quantity, ...]  # where the name is a number
    noun: str  # what the number counts: "five starting pitchers"
    words: Words | None
    bracket: str  # what stands in brackets behind the name, folded


class Prepared(NamedTuple):
    """A gold ready for comparison."""

    objects: tuple[tuple[Name, ...], ...]
    need_all: bool
    answer_type: AnswerType
    needles: tuple[str, ...]
    any_needle: bool  # any one of them settles the answer: not all objects are needed
    numeric: bool  # some name is a date or a number
    figures: tuple[str, ...]  # the names that are numbers and nothing else
    proper: bool  # some name is a proper name of several words, a date or a number
    dates: tuple[Date, ...]  # of names that are one date
    every_date: tuple[Date, ...]  # ends of ranges as well
    quantities: tuple[Quantity, ...]
    hints: tuple[str, ...]  # an answer without any of these gives no name in part
    squeezed: tuple[str, ...]  # the needles without their spaces
    written: frozenset[str]  # the names as they are written, raw and in plain text
    traits: tuple[float, ...]  # the values of TRAITS
    contents: tuple[tuple[str, ...], ...]  # stems of the content words of every name
    grams: tuple[frozenset[str], ...]  # neighbouring letters of every name
    signs: list[str]  # plus and minus before the numbers of the name
    shortest: int  # length of the shortest canonical name, folded


def gold_of(
    names: str | Iterable[str], *, need_all: bool = False, answer_type: AnswerType = "term"
) -> Gold:
    """A Gold from plain strings: every string is an object of its own."""
    strings = (names,) if isinstance(names, str) else tuple(names)
    return Gold(
        objects=tuple((name,) for name in strings), need_all=need_all, answer_type=answer_type
    )


@functools.lru_cache(maxsize=1 << 16)
def prepare(
    objects: tuple[tuple[str, ...], ...], need_all: bool, answer_type: AnswerType
) -> Prepared:
    prepared = tuple(
        tuple(sorted((_name(raw, answer_type) for raw in names), key=_longest, reverse=True))
        for names in objects
    )
    everything = [name for names in prepared for name in names]
    needles = sorted({needle for name in everything for needle in name.needles}, key=_shortness)
    hints = dict.fromkeys(
        hint
        for name in everything
        for hint in (
            *(name.words.hints if name.words else ()),
            *name.parts,
            *name.places,
            *name.pairs,
        )
    )
    contents = tuple(dict.fromkeys(filter(None, (_content(name.raw) for name in everything))))
    sizes = [len(one) for one in contents] or [0]
    written = [raw for names in objects for raw in names]
    proper = any(name.words is not None and name.words.proper for name in everything)
    return Prepared(
        traits=(
            float(min(len(objects), _SEVERAL)),
            float(need_all),
            float(any(name.dates for name in everything)),
            float(any(name.quantities for name in everything)),
            float(proper),
            max(map(_capitals, written), default=0.0),
            float(min(sizes)),
            float(any(map(is_ideograph, "".join(written)))),
            *(float(answer_type == one) for one in ("person", "place", "organization", "work")),
        ),
        contents=contents,
        grams=tuple(filter(None, (grams(fold(name.raw)) for name in everything))),
        signs=_SIGN.findall(everything[0].plain),
        shortest=min(len(fold(names[0])) for names in objects),
        objects=prepared,
        need_all=need_all,
        answer_type=answer_type,
        needles=tuple(needles),
        any_needle=not need_all
        and not any(name.family for name in everything)
        and answer_type != "place"
        and not _SIGN.search(everything[0].plain),
        numeric=any(name.dates or name.quantities for name in everything),
        figures=tuple(fold(name.raw) for name in everything if name.quantities and not name.noun),
        proper=any(
            name.dates or name.quantities or (name.words is not None and name.words.proper)
            for name in everything
        ),
        dates=tuple(date for name in everything if len(name.dates) == 1 for date in name.dates),
        every_date=tuple(date for name in everything for date in name.dates),
        quantities=tuple(quantity for name in everything for quantity in name.quantities),
        hints=tuple(hints),
        squeezed=tuple(needle.replace(" ", "") for needle in needles if _squeezable(needle)),
        written=frozenset(text for name in everything for text in (name.plain, name.raw.strip())),
    )


def grams(flat: str) -> frozenset[str]:
    """Three neighbouring letters of folded text, two of Chinese."""
    if flat.isascii():
        return frozenset(flat[i : i + 3] for i in range(len(flat) - 2))
    return frozenset(flat[i : i + 5] for i in range(0, len(flat) - 4))


def _content(raw: str) -> tuple[str, ...]:
    stop = words("en", "words", "stop")
    return tuple(stem(word) for word in fold(raw).split() if word not in stop)


def _capitals(raw: str) -> float:
    """The share of the words that begin with a capital."""
    found = _WORD.findall(raw)
    return sum(word[0].isupper() for word in found) / len(found) if found else 0.0


def _shortness(needle: str) -> tuple[int, str]:
    return -len(needle), needle


def _longest(name: Name) -> int:
    return max(map(len, name.needles), default=0)


@functools.cache
def _fillers() -> tuple[frozenset[str], re.Pattern[str]]:
    chinese = sorted(pack("zh")["fillers"]["words"], key=len, reverse=True)
    return words("en", "fillers", "words"), re.compile("|".join(map(re.escape, chinese)))


def _rest(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """What a gold says beside its numbers: "" for a pure date or number, else what it counts."""
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + " " + text[end:]
    english, chinese = _fillers()
    return " ".join(word for word in fold(chinese.sub(" ", text)).split() if word not in english)


def _squeezable(needle: str) -> bool:
    return len(needle) > 6 and needle.isascii()


def _is_long(piece: str) -> bool:
    return len(piece) > 4


def _pairs(raw: str) -> tuple[str, ...]:
    characters = fold(raw).split()
    if len(characters) < 4 or not all(map(is_ideograph, raw)):
        return ()
    return tuple(f" {a} {b} " for a, b in pairwise(characters))


# A time of day after a date; a day is precise enough.
_CLOCK = re.compile(
    r"(?:凌晨|清晨|早晨|早上|上午|中午|下午|傍晚|晚上|晚|夜里|深夜)?\d{1,2}(?:时|点)(?:\d{1,2}分|半|整)?"
    r"|(?:\bat\s)?\b\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\.?)?"
)
_OFFSET = re.compile(r"[a-z]\s?[+-]\s?\d")  # UTC+8 is a name
_BRACKET = re.compile(r"\s*\([^()]*\)$")
_ONE_UNIT = re.compile(r"\s*an? (?=[a-z]+\s*$)")


def _name(raw: str, answer_type: AnswerType) -> Name:
    whole, folded = plain(raw), fold(raw)
    text = _CLOCK.sub("", whole).strip()
    found_dates = tuple(dates(text)) if answer_type not in _TIMELESS else ()
    if found_dates and (
        len(found_dates) > 2 or _rest(text, ((d.start, d.end) for d in found_dates))
    ):
        found_dates = ()
    numbers, noun = _numbers(text, bool(found_dates), answer_type)
    if not numbers and (bare := _BRACKET.sub("", text)) != text:  # 5.97 m (19 ft 7 in)
        numbers, noun = _numbers(bare.strip(), bool(found_dates), answer_type)
    other = forms(raw, answer_type)
    family = frozenset(map(fold, other.family))
    needles = dict.fromkeys((folded, *map(fold, other.full), *family))
    if not numbers and not found_dates and (not text.isascii() or text.isdigit()):
        needles |= dict.fromkeys(fold(same) for same in _renumbered(text))
    needles.pop(" ", None)
    if found_dates or (numbers and not noun):
        needles = {}  # 5 is not the 5 of "5 million" or "July 5": only as a quantity; 2020年 not 2020年代
    pieces = _LIST.split(raw)
    parts = tuple(filter(_is_long, map(fold, pieces))) if len(pieces) > 1 else ()
    return Name(
        raw=raw,
        plain=whole.strip(),
        needles=tuple(sorted(needles, key=_shortness)),
        family=family - {folded},
        places=tuple(map(fold, other.place)),
        parts=parts if len(parts) == len(pieces) and not found_dates else (),
        spaced=tuple(filter(_squeezable, needles)),
        pairs=_pairs(raw),
        dates=found_dates,
        quantities=numbers,
        noun=noun,
        words=None if numbers or found_dates else prepare_words(raw, answer_type),
        bracket=fold(other.bracket) if other.bracket else "",
    )


def _numbers(text: str, is_date: bool, answer_type: AnswerType) -> tuple[tuple[Quantity, ...], str]:
    """The number that a gold is, and what it counts."""
    if (
        answer_type in _NAMED or "《" in text or _OFFSET.search(text)
    ):  # 《1984》 and 《四十二章经》 are titles
        return (), ""
    if is_date and (answer_type == "date" or not text.replace(".", "", 1).isdigit()):
        return (), ""
    counted = _ONE_UNIT.sub("1 ", text)  # "a week" is one week, and not "741 weeks"
    numbers = quantities(counted)
    if len(numbers) != 1 or numbers[0].bare:
        return (), ""
    number = numbers[0]
    if counted != text and not number.dimension:
        return (), ""
    text = counted
    if not text.isascii() and not _is_count(text, number, answer_type):
        return (), ""
    counter = is_counter(text, number.end) if not number.unit else number.end
    noun = _rest(text, [(number.start, counter)])
    nouns = noun.split()
    if len(nouns) > (_MOST_NOUNS if noun.isascii() else 2 * _MOST_NOUNS):
        return (), ""
    return (number,), f" {noun} " if noun else ""


def _is_count(text: str, number: Quantity, answer_type: AnswerType) -> bool:
    """Whether a Chinese gold is a number, with what it counts, and not a name with a number in it.

    Around it stand only what leads up to a number (约, 共) and, behind, a unit or a measure word with
    what is counted: 108位好汉, but not 神舟5号, 人6, 4399游戏, 第6号翻译机. A unit may also follow
    what is measured: 身高180厘米.
    """
    if all(c in FORMAL for c in text) and len(text) < 3 and answer_type != "number":
        return False  # 陆, 伍佰: more often somebody's name
    before, after = text[: number.start], text[number.end :]
    if number.dimension:
        return True
    if _rest(before, ()):
        return False
    counter = is_counter(after, 0)
    return not _rest(after[counter:], ()) or (counter > 0 and not number.ordinal)


def _renumbered(text: str) -> Iterator[str]:
    """A name with its one number in the other script: 神舟五号 for 神舟5号."""
    found = numerals(text)
    other = other_script(text[found[0].start : found[0].end]) if len(found) == 1 else None
    if other is not None and (found[0].end - found[0].start < len(text) or len(text) == 4):
        yield text[: found[0].start] + other + text[found[0].end :]


def finer(gold: Prepared, date: Date) -> list[Date]:
    """The dates of a gold that say more precisely what ``date``, another of them, says."""
    return [
        other
        for other in gold.dates
        if agreement(date, other) == "same" and agreement(other, date) == "coarser"
    ]
