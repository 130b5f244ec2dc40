"""Overlap: names in Latin letters that an answer gives in other words, another order, or in part."""

from __future__ import annotations

import functools
import re
from itertools import islice
from typing import Literal, NamedTuple

from kg_builder.matching.lexicon import pack, words
from kg_builder.matching.names import without_titles
from kg_builder.matching.normalise import fold, is_ideograph
from kg_builder.matching.stems import stem, variants
from kg_builder.question import AnswerType

Likeness = Literal["inflected", "short_name", "reworded", "family_name", "partial", "absent"]

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:[+#]+|\d+)?")
_SPREAD = 6  # words that may stand between those of a reworded name
_ENOUGH = 0.5  # share of the new words of a name that make an answer ambiguous
_LONG = 5  # letters of a name in which one may be mistaken


class Tokens(NamedTuple):
    """The words of a text and their stems."""

    text: str
    words: list[str]
    stems: list[str]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Where the words from ``first`` to ``last`` stand in the text."""
        spans = [found.span() for found in islice(_TOKEN.finditer(self.text), last + 1)]
        return spans[first][0], spans[last][1]


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


def tokens(text: str, proper: bool) -> Tokens:
    """The words of ``text`` (as ``plain`` gives it)."""
    found = _TOKEN.findall(text)
    return Tokens(text, found, [stem(word, proper) for word in found])


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
    capital = bool(content) and all(
        w[0].isupper() or w[0].isdigit() or w in _particles() for w in content
    )
    named = answer_type in ("person", "place", "organization", "work")
    proper = capital and (len(content) > 1 or named)
    numbered = folded[-1:] if proper and folded[-1:] == ["i"] else []  # World War I is not II
    stems = tuple(
        dict.fromkeys(stem(w, proper) for w in (*(w for w in folded if w not in stop), *numbered))
    )
    if not stems:
        return None
    person = _person(folded) if capital and answer_type in ("person", "term") else ()
    spelled = [variant for w in folded for variant in variants(w)]
    hints = tuple(dict.fromkeys(" " + s[: max(2, min(4, len(s) - 1))] for s in (*stems, *spelled)))
    return Words(stems, person, proper, hints, [w for w in folded if w not in stop][-1])


def _person(folded: list[str]) -> tuple[str, ...]:
    parts = without_titles(folded, person=False)
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
    if abs(len(a) - len(b)) > 1 or (a[:1] != b[:1] and a[1:2] != b[1:2]):
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


def overlap(name: Words, answer: Tokens, question: frozenset[str], asks_person: bool) -> Overlap:
    """How an answer that does not contain a name word for word may yet give it.

    A family name alone is looked for only where a person is asked for.
    """
    person = _person_in(name.person, answer, question, asks_person) if name.person else _ABSENT
    if person.likeness == "short_name":
        return person
    new = [s for s in name.stems if s not in question]
    if not new:  # what the question says already is no answer
        return _ABSENT
    there = set(answer.stems)
    found_new = [s for s in new if s in there]
    if not found_new:
        return _ABSENT
    for wanted in (list(name.stems), new):
        window = _window(answer.stems, wanted) if there.issuperset(wanted) else None
        if window is None or window[1] - window[0] + 1 - len(wanted) > _SPREAD:
            continue
        if len(name.stems) == 1 and not _plural(answer.words[window[0]], name.only):
            return Overlap("partial", *answer.span(*window))  # hunt for hunting
        if _another(name, answer, *window):
            continue
        close = window[1] - window[0] < len(wanted) + 1
        return Overlap("inflected" if close else "reworded", *answer.span(*window))
    if len(found_new) < _ENOUGH * len(new) or name.person:
        return person
    if name.proper and len(name.stems) > 1 and found_new == [name.stems[-1]]:
        return person  # Harlem River and East River share only what they are
    first = answer.stems.index(found_new[0])
    return Overlap("partial", *answer.span(first, first))


def _another(name: Words, answer: Tokens, first: int, last: int) -> bool:
    """Whether the words between make another name of it: Michigan State University."""
    if not name.proper:
        return False
    stop = words("en", "words", "stop")
    between = [answer.words[i] for i in range(first + 1, last) if answer.stems[i] not in name.stems]
    if name.person:  # George H. W. Bush is not George W. Bush
        return any(len(word) == 1 for word in between)
    return any(word not in stop for word in between)


def _plural(a: str, b: str) -> bool:
    return stem(a, True) == stem(b, True)


def _window(stems: list[str], wanted: list[str]) -> tuple[int, int] | None:
    """First and last place of the shortest stretch that holds all the wanted stems."""
    best: tuple[int, int] | None = None
    last: dict[str, int] = {}
    for i, word in enumerate(stems):
        if word not in wanted:
            continue
        last[word] = i
        if len(last) == len(wanted):
            start = min(last.values())
            if best is None or i - start < best[1] - best[0]:
                best = start, i
    return best


def _person_in(
    person: tuple[str, ...], answer: Tokens, question: frozenset[str], asks_person: bool
) -> Overlap:
    """A person's name without or with other middle names, by initials, short forms, or family name."""
    *givens, family = person
    root = stem(family, True)
    likely = _ABSENT
    for i, word in enumerate(answer.words):
        exact = word == family or answer.stems[i] == root
        if not exact and not (len(family) > _LONG and one_edit(word, family)):
            continue
        for j in range(i - 1, max(-1, i - 5), -1):
            given = answer.words[j]
            if _is_given(given, givens) if exact else given in givens:
                if _other_middle(givens, answer.words[j + 1 : i]):
                    continue
                return Overlap("short_name", *answer.span(j, i))
        if asks_person and exact and len(family) > 2 and root not in question:
            while i and answer.words[i - 1] in givens and answer.words[i - 1] in _particles():
                i -= 1  # van Gogh, da Vinci
            before = answer.words[i - 1] if i else ""
            alone = not before or before in _introductions()
            likely = Overlap("short_name" if alone else "family_name", *answer.span(i, i))
            if alone:
                return likely
    return likely  # a family name may be another's


def _is_given(given: str, givens: list[str]) -> bool:
    """Whether a word before the family name is a given name of it; an initial has to be the first."""
    if not givens:
        return False
    return same_given(given, givens[0]) or (len(given) > 1 and given in givens[1:])


def _other_middle(givens: list[str], between: list[str]) -> bool:
    """George H. W. Bush is not George W. Bush."""
    middle = givens[1:]
    return bool(
        middle
        and between
        and len(between) <= len(middle) + 1
        and between[0] not in _particles()
        and middle[0] not in _particles()
        and not any(same_given(between[0], one) for one in middle)
    )


@functools.cache
def _particles() -> frozenset[str]:
    return words("en", "names", "particles")


@functools.cache
def _introductions() -> frozenset[str]:
    """Words before a family name that are not another given name."""
    return words("en", "names", "titles") | words("en", "words", "stop")
