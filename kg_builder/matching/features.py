"""Features: what the rules found in an answer and what stands around it, as numbers for the judge."""

from __future__ import annotations

import functools
import math
import re
from typing import NamedTuple

from kg_builder.matching.answer import Answer
from kg_builder.matching.dates import Date
from kg_builder.matching.golds import TRAITS, grams
from kg_builder.matching.lexicon import any_of, pack, words
from kg_builder.matching.normalise import fold, plain
from kg_builder.matching.quantities import Quantity
from kg_builder.matching.stance import DENIED, OFFERED, REFUSED, TAKEN_BACK
from kg_builder.matching.surroundings import NOUN, WORD, Around

KINDS = (
    "named", "number", "date", "rounded", "inflected", "short_name", "reworded", "family_name",
    "coarser", "near", "partial", "absent",
)  # fmt: skip
STANCES = ("echo", "hedged", "related", "negated")
ASKED = ("person", "date", "place", "number", "reason", "thing")
FEATURES = (
    *KINDS, *STANCES, *TRAITS, *(f"asks_{kind}" for kind in ASKED), "asked_nothing",
    "left", "right", "left_length", "right_length", "left_run", "right_run", "title", "bracket",
    "sign", "needle_share",
    "row", "row_golds", "offered", "lines", "line_golds",
    "before", "sentences_before", "position", "length", "commas", "sentences",
    "overlap_new", "overlap", "overlap_first", "new_words", "asked_words", "grams",
    "refusal", "turn_denied", "turn_taken_back", "turn_offered",
    "numbers", "dates", "number_gap", "year_gap", "fresh", "in_question", "chinese", "incomplete",
)  # fmt: skip
_FAR = 9.0  # a gap between numbers or years where there is nothing to compare
_SIGN = re.compile(r"[+-](?=\d)")


class Evidence(NamedTuple):
    """What an answer has of a name, in the order from the best to the worst that can be said of it."""

    rank: int  # of the reason, kind or stance, among verdict.REASONS
    doubt: int  # how much what stands beside it makes another name of it
    start: int  # its place in the plain text, -1 where there is none
    end: int
    kind: str  # one of KINDS
    stance: str
    needle: str  # the name that was looked for
    around: Around
    incomplete: bool = False  # another object that is needed is not there


def features(text: Answer, found: Evidence) -> list[float]:
    """The values of FEATURES, in their order."""
    gold, kind, place = text.gold, found.kind, max(found.start, 0)
    row, row_golds, offered = text.row(place, found.end) if found.start >= 0 else (0, 0, False)
    lines, line_golds = text.lines()
    size = len(text.words)
    beside = found.around
    said = text.plain[found.start : found.end] if found.start >= 0 else ""
    whole = kind in ("named", "number", "date")
    numeric = bool(gold.quantities) or bool(gold.every_date)
    turns = text.turns
    return [
        *(float(kind == one) for one in KINDS),
        *(float(found.stance == one) for one in STANCES),
        *gold.traits,
        *_asks(text.question),
        float(beside.left),
        float(beside.right),
        float(beside.left_length),
        float(beside.right_length),
        float(beside.left_run),
        float(beside.right_run),
        float(beside.title),
        float(_bracket(text, found.end) if whole else 0),
        float(
            kind == "named"
            and said != ""
            and _SIGN.findall(said) != gold.signs
            and bool(gold.signs)
        ),
        len(found.needle) / gold.shortest if gold.shortest else 1.0,
        float(row),
        float(row_golds),
        float(offered),
        float(lines),
        float(line_golds),
        math.log1p(place),
        float(text.sentences(place)) if place else 0.0,
        place / max(1, len(text.plain)),
        math.log1p(size),
        math.log1p(text.plain.count(",") + text.plain.count("、") + text.plain.count(";")),
        float(text.sentences(len(text.plain))),
        *(_WHOLE if whole else _overlaps(text)),
        float(turns & REFUSED != 0),
        float(turns & DENIED != 0),
        float(turns & TAKEN_BACK != 0),
        float(turns & OFFERED != 0),
        float(len(text.quantities)) if numeric else 0.0,
        float(len(text.dates)) if numeric else 0.0,
        _number_gap(gold.quantities, text.numbers) if gold.quantities else _FAR,
        _year_gap(gold.every_date, text.dates) if gold.every_date else _FAR,
        float(_fresh(text)),
        float(text.question != "" and found.needle != "" and found.needle in text.flat_question),
        float(text.is_chinese),
        float(found.incomplete),
    ]


_AT = {name: place for place, name in enumerate(FEATURES)}
_SETTLED = KINDS.index(
    "family_name"
)  # the kinds before it are names, numbers and dates as they should be
_NONE = tuple(
    _AT[name]
    for name in (*STANCES, "offered", "sign", "refusal", "incomplete")
)  # fmt: skip
_BELOW = tuple(
    (_AT[name], limit)
    for name, limit in (
        ("left", NOUN), ("right", WORD), ("title", 2), ("bracket", 1), ("before", math.log1p(200)),
    )
)  # fmt: skip
_NUMERIC = tuple(_AT[name] for name in ("number", "date", "rounded", "coarser", "near"))
_ROW, _ROW_GOLDS, _ALL = _AT["row"], _AT["row_golds"], _AT["need_all"]
_LEFT = _AT["left"]
_LENGTH, _CHINESE, _LINES = _AT["length"], _AT["chinese"], _AT["lines"]
_OTHERS = 3  # in a row with the gold, all of which may yet be something else than candidates


def is_settled(values: list[float]) -> bool:
    """Whether the rules see nothing that would leave an answer open: it names the gold, and that is all."""
    if not any(values[:_SETTLED]) or any(values[place] for place in _NONE):
        return False
    others = values[_ROW] - values[_ROW_GOLDS]
    bare = math.expm1(values[_LENGTH]) <= 4 * others + 6  # little else than the row
    if others > (0 if values[_ALL] or values[_CHINESE] else 1 if bare else _OTHERS):
        return False
    if values[_LINES] > 2 * values[_LINES + 1]:  # most of a list, an item a line, is not the gold
        return False
    if values[_LEFT] > WORD and not values[_CHINESE]:  # New Mexico, but 首都北京
        return False
    return all(values[place] <= limit for place, limit in _BELOW)


def is_sure(values: list[float]) -> bool:
    """Whether a settled answer needs no likelihood: the same number, or a row of the gold's own names."""
    return any(values[place] for place in _NUMERIC) or values[_ROW_GOLDS] > 0


_MARKS = re.compile(
    r"[、,，;；/\n()（《·]|\b(?:and|or|between|maybe|perhaps)\b|[和与及或]|还是|\d\s*-"
)


def is_bare(text: Answer, found: Evidence) -> bool:
    """Whether is_settled is plain from the answer: no turn, no row, nothing that may belong to the name."""
    beside = found.around
    if text.turns or text.gold.need_all or beside.left_run + beside.right_run:
        return False
    if max(beside.left, beside.right) > WORD or (
        found.needle and found.needle in text.flat_question
    ):
        return False
    return _MARKS.search(text.plain) is None


_WHOLE = (1.0, 1.0, 1.0, 1.0, 0.0, 1.0)


@functools.lru_cache(maxsize=1 << 14)
def _asks(question: str) -> tuple[float, ...]:
    text = plain(question)
    found = [pattern.search(text) is not None for pattern in _asking()]
    return (*map(float, found), float(not question))


@functools.cache
def _asking() -> tuple[re.Pattern[str], ...]:
    zh, en = pack("zh")["question"], pack("en")["question"]
    return tuple(re.compile(any_of([*zh[kind], *en[kind]])) for kind in ASKED)


def _bracket(text: Answer, end: int) -> int:
    """Whether another qualifier than the gold's stands behind the name: 刚果(金) for 刚果(布)."""
    if text.plain[end : end + 1] != "(":
        return 0
    inner = fold(text.plain[end + 1 :].partition(")")[0])
    return 1 + any(name.bracket not in ("", inner) for names in text.gold.objects for name in names)


def _overlaps(text: Answer) -> tuple[float, ...]:
    """How many of the words of the gold, and how many letters, an answer has that does not name it."""
    there = set(text.tokens(False).stems) | set(text.words)
    first = text.first_sentence_stems
    asked = text.question_stems
    best = (0.0, 0.0, 0.0, 0.0, 0.0)
    for content in text.gold.contents:
        new = [word for word in content if word not in asked]
        have = sum(word in there for word in new)
        best = max(
            best,
            (
                have / len(new) if new else 0.0,
                sum(word in there for word in content) / len(content),
                sum(word in first for word in new) / len(new) if new else 0.0,
                float(len(new)),
                float(len(content) - len(new)),
            ),
        )
    letters = grams(text.flat)
    alike = max((len(one & letters) / len(one) for one in text.gold.grams), default=0.0)
    return (*best, alike)


def _number_gap(golds: tuple[Quantity, ...], numbers: list[Quantity]) -> float:
    gap = _FAR
    for gold in golds:
        for number in numbers:
            largest = max(abs(gold.value), abs(number.value))
            gap = min(gap, abs(gold.value - number.value) / largest if largest else 0.0)
    return gap


def _year_gap(golds: tuple[Date, ...], dates: list[Date]) -> float:
    gap = _FAR
    for gold in golds:
        for date in dates:
            if gold.year is not None and date.year is not None:
                gap = min(gap, float(abs(gold.year - date.year)))
    return gap


def _fresh(text: Answer) -> int:
    """How many words of an answer its question does not have; ten at most."""
    stop, asked, fresh = words("en", "words", "stop"), text.question_words, 0
    for word in text.words:
        if word not in asked and word not in stop:
            fresh += 1
            if fresh == 10:
                break
    return fresh
