"""Overlap: names in Latin letters that an answer gives in other words, another order, or in part."""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

from kg_builder.matching.lexicon import pack, words
from kg_builder.matching.names import without_titles
from kg_builder.matching.normalise import fold, is_ideograph
from kg_builder.matching.stems import stem
from kg_builder.question import AnswerType

Likeness = Literal["inflected", "short_name", "reworded", "family_name", "partial", "absent"]

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:[+#]+|\d+)?")
_SPREAD = 6  # words that may stand between those of a reworded name
_ENOUGH = 0.5  # share of the new words of a name that make an answer ambiguous
_LONG = 5  # letters of a name in which one may be mistaken


class Token(NamedTuple):
    word: str
    stem: str
    start: int
    end: int


class Words(NamedTuple):
    """A name prepared for comparison word by word."""

    stems: tuple[str, ...]  # content words, in order
    person: tuple[str, ...]  # the words of a name like a person's: given …, family
    proper: bool  # inflected like a name: only by plural and possessive
    hints: tuple[str, ...]  # an answer without any of these has none of the words
    only: str  # the last content word, as it is written


class Overlap(NamedTuple):
    likeness: Likeness
    start: int = 0
    end: int = 0


_ABSENT = Overlap("absent")


def tokens(text: str, proper: bool) -> list[Token]:
    """The words of ``text`` (as ``plain`` gives it)."""
    return [
        Token(found.group(), stem(found.group(), proper), *found.span())
        for found in _TOKEN.finditer(text)
    ]


@functools.lru_cache(maxsize=1 << 14)
def question_stems(question: str) -> frozenset[str]:
    parts = fold(question).split()
    return frozenset(stem(w) for w in parts) | frozenset(stem(w, True) for w in parts)


def prepare_words(raw: str, answer_type: AnswerType) -> Words | None:
    """None where the name has no Latin content words."""
    folded = fold(raw).split()
    if any(is_ideograph(c) for word in folded for c in word):
        return None
    stop = words("en", "words", "stop")
    content = [w for w in re.findall(r"[^\W_]+", raw) if w.casefold() not in stop]
    capital = bool(content) and all(w[0].isupper() or w[0].isdigit() for w in content)
    named = answer_type in ("person", "place", "organization", "work")
    proper = capital and (len(content) > 1 or named)
    stems = tuple(dict.fromkeys(stem(w, proper) for w in folded if w not in stop))
    if not stems:
        return None
    person = _person(folded) if capital and answer_type in ("person", "term") else ()
    hints = tuple(dict.fromkeys(" " + s[: max(2, min(4, len(s) - 1))] for s in stems))
    return Words(stems, person, proper, hints, [w for w in folded if w not in stop][-1])


def _person(folded: list[str]) -> tuple[str, ...]:
    parts = without_titles(folded)
    stop = words("en", "words", "stop") - words("en", "names", "particles")
    if not 2 <= len(parts) <= 5 or any(part[0].isdigit() or part in stop for part in parts):
        return ()
    return tuple(parts)


@functools.cache
def _nicknames() -> dict[str, frozenset[int]]:
    groups: dict[str, set[int]] = {}
    for number, line in enumerate(pack("en")["names"]["nicknames"]):
        for name in line.split():
            groups.setdefault(name, set()).add(number)
    return {name: frozenset(numbers) for name, numbers in groups.items()}


def one_edit(a: str, b: str) -> bool:
    """Whether one letter added, dropped or changed, or two swapped, make ``a`` of ``b``."""
    if abs(len(a) - len(b)) > 1:
        return False
    i = 0
    while i < min(len(a), len(b)) and a[i] == b[i]:
        i += 1
    if len(a) == len(b):
        swapped = a[i : i + 2] == b[i : i + 2][::-1] and a[i + 2 :] == b[i + 2 :]
        return swapped or a[i + 1 :] == b[i + 1 :]
    return a[i + 1 :] == b[i:] if len(a) > len(b) else a[i:] == b[i + 1 :]


def same_given(a: str, b: str) -> bool:
    """Whether two given names may be one: equal, an initial, a short form, one letter apart."""
    if a == b or (a[0] == b[0] and (len(a) == 1 or len(b) == 1)):
        return True
    shorter, longer = sorted((a, b), key=len)
    if len(shorter) > 1 and longer.startswith(shorter):
        return True
    nicknames = _nicknames()
    if not nicknames.get(a, frozenset()).isdisjoint(nicknames.get(b, frozenset())):
        return True
    return len(shorter) >= _LONG and one_edit(a, b)


def overlap(
    name: Words, answer: list[Token], question: frozenset[str], asks_person: bool
) -> Overlap:
    """How an answer that does not contain a name word for word may yet give it.

    A family name alone is looked for only where a person is asked for.
    """
    person = _person_in(name.person, answer, question, asks_person) if name.person else _ABSENT
    if person.likeness == "short_name":
        return person
    new = [s for s in name.stems if s not in question]
    if not new:  # what the question says already is no answer
        return _ABSENT
    positions: dict[str, list[int]] = {}
    for i, token in enumerate(answer):
        if token.stem in name.stems:
            positions.setdefault(token.stem, []).append(i)
    found_new = [s for s in new if s in positions]
    if not found_new:
        return _ABSENT
    for wanted in (list(name.stems), new):
        window = _window(positions, wanted)
        if window:
            spread = window[1] - window[0] + 1 - len(wanted)
            span = answer[window[0]].start, answer[window[1]].end
            if spread > _SPREAD:
                continue
            if len(name.stems) == 1 and not _plural(answer[window[0]].word, name.only):
                return Overlap("partial", *span)  # hunt for hunting
            return Overlap("inflected" if spread < 2 else "reworded", *span)
    if len(found_new) < _ENOUGH * len(new) or name.person:
        return person
    if name.proper and len(name.stems) > 1 and found_new == [name.stems[-1]]:
        return person  # Harlem River and East River share only what they are
    first = answer[positions[found_new[0]][0]]
    return Overlap("partial", first.start, first.end)


def _plural(a: str, b: str) -> bool:
    return stem(a, True) == stem(b, True)


def _window(positions: dict[str, list[int]], wanted: list[str]) -> tuple[int, int] | None:
    """First and last place of the shortest stretch that holds all the wanted stems."""
    if any(word not in positions for word in wanted):
        return None
    best: tuple[int, int] | None = None
    last: dict[str, int] = {}
    for i, word in sorted((place, w) for w in wanted for place in positions[w]):
        last[word] = i
        if len(last) == len(wanted):
            start = min(last.values())
            if best is None or i - start < best[1] - best[0]:
                best = start, i
    return best


def _person_in(
    person: tuple[str, ...], answer: list[Token], question: frozenset[str], asks_person: bool
) -> Overlap:
    """A person's name without or with other middle names, by initials, short forms, or family name."""
    *givens, family = person
    introductions = words("en", "names", "titles") | words("en", "words", "stop")
    likely = _ABSENT
    for i, token in enumerate(answer):
        exact = token.word == family or token.stem == stem(family, True)
        if not exact and not (len(family) > _LONG and one_edit(token.word, family)):
            continue
        for j in range(i - 1, max(-1, i - 5), -1):
            given = answer[j].word
            if any(same_given(given, g) for g in givens) if exact else given in givens:
                return Overlap("short_name", answer[j].start, token.end)
        if asks_person and exact and len(family) > 2 and token.stem not in question:
            before = answer[i - 1].word if i else ""
            if not before or before in introductions:
                return Overlap("short_name", token.start, token.end)
            likely = Overlap("family_name", token.start, token.end)  # it may be another's
    return likely
