"""TextAnalysis: the content words, numbers and dates of a text, by which claims and quotes compare."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from kg_builder.matching.counters import is_counter
from kg_builder.matching.dates import Date, agreement, dates
from kg_builder.matching.lexicon import words as word_list
from kg_builder.matching.normalise import is_ideograph, plain
from kg_builder.matching.quantities import Quantity, likeness, quantities
from kg_builder.matching.stems import stem
from kg_builder.question import Language
from retrieval.reading.reading_pack import reading_pack
from retrieval.segmentation import is_han

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff〇"
_TOKEN = re.compile(rf"(?P<han>[{_HAN}]+)|[^\W_{_HAN}]+")
_CLAUSE = re.compile(r"[,，;；:：。.!?！？()（）、]")
_NAME_TAGS = ("nr", "ns", "nt", "nz")


class Unit(NamedTuple):
    """A content word: ``key`` is what is compared, a stem in English; ``start`` its place in ``flat``."""

    key: str
    start: int
    end: int
    name: bool  # written or tagged as a name
    opens: bool  # with a capital that may be due to the start of a sentence
    tag: str  # its part of speech, "x" where none is known


class TextAnalysis(NamedTuple):
    """``flat`` is the text as ``normalise.plain`` gives it; places count its characters."""

    flat: str
    units: tuple[Unit, ...]
    numbers: tuple[Quantity, ...]
    dates: tuple[Date, ...]
    keys: frozenset[str]
    han: str  # the Chinese characters in order, for words that are cut in other ways

    def holds(self, key: str) -> bool:
        """Whether a word stands in the text, however the text is cut."""
        return key in self.keys or (is_han(key) and len(key) > 1 and key in self.han)

    def clause(self, place: int) -> tuple[int, int]:
        """Start and end of the clause around a place."""
        start = max((m.end() for m in _CLAUSE.finditer(self.flat, 0, place)), default=0)
        stop = _CLAUSE.search(self.flat, place)
        return start, stop.start() if stop else len(self.flat)


@lru_cache(maxsize=4096)
def analyse(text: str, language: Language) -> TextAnalysis:
    """The analysis of a text with the stop words of one language; cached."""
    flat = plain(text)
    # ``plain`` drops thousands commas only, so that capitals are found again in most texts.
    cased = text if len(text) == len(flat) else flat
    counted = quantities(flat)
    # What goes on as a number is no year: 1000万, 1500 metres.
    found_dates = tuple(
        date
        for date in dates(flat)
        if not any(q.start == date.start and q.end > date.end for q in counted)
    )
    taken = [(date.start, date.end) for date in found_dates]
    numbers = tuple(
        q for q in counted if not q.bare and not any(a < q.end and q.start < b for a, b in taken)
    )
    masked = list(flat)
    for start, end in [
        *taken,
        *((q.start - flat[: q.start].endswith("第"), is_counter(flat, q.end)) for q in numbers),
    ]:
        masked[start:end] = " " * (end - start)
    units = tuple(_units("".join(masked), cased, language))
    han = "".join(c if is_ideograph(c) else " " for c in flat)
    return TextAnalysis(flat, units, numbers, found_dates, frozenset(u.key for u in units), han)


def _units(flat: str, cased: str, language: Language) -> list[Unit]:
    import rjieba

    particles = reading_pack(language).particles
    stop = word_list("en", "words", "stop")
    found: list[Unit] = []
    last = 0
    for match in _TOKEN.finditer(flat):
        start = match.start()
        gap = flat[last:start]
        opens = last == 0 or any(c in '.!?"“(' for c in gap)
        last = match.end()
        if match["han"]:
            place = start
            for word, tag in rjieba.tag(match["han"]):
                end = place + len(word)
                if word not in particles:
                    found.append(Unit(word, place, end, tag.startswith(_NAME_TAGS), False, tag))
                place = end
            continue
        word = match.group()
        if word in stop or word in particles:
            continue
        capital = cased[start : start + 1].isupper()
        name = capital and (not opens or language == "zh")
        found.append(Unit(stem(word), start, match.end(), name, capital and not name, "w"))
    return found


def same_number(claimed: Quantity, other: Quantity) -> bool:
    """Whether one number is the other, in whatever script, unit or rounding."""
    alike = likeness(claimed, other)
    return alike in ("same", "rounded") or (alike == "near" and claimed.rounded)


def same_date(claimed: Date, other: Date) -> bool:
    """Whether the other date is the claimed one, or one within it, or lacks only a year."""
    agreed = agreement(claimed, other)
    if agreed == "coarser":
        return other.year is None or other.span < claimed.span or claimed.part != ""
    return agreed == "same"


def unmatched_numbers(claim: TextAnalysis, source: TextAnalysis) -> tuple[int, int]:
    """How many numbers, and how many dates, of the claim the source does not have."""
    written = source.numbers
    lacking = sum(
        not any(same_number(q, other) for other in written)
        and not any(q.value == abs(date.year or -1) for date in source.dates)
        for q in claim.numbers
    )
    undated = sum(
        not any(same_date(date, other) for other in source.dates)
        and not any(date.month is None and q.value == date.year for q in written)
        for date in claim.dates
    )
    return lacking, undated
