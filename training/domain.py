"""Domain: what a bundle was calibrated on, as names, wordings and relations of its questions.

A certificate holds for questions like those it was made from. ``Domain.link`` says how near a question comes
to them: which known name it holds, which known wording the rest resembles, and whether things of that kind
are asked so at all.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from kg_builder.matching.normalise import fold, is_ideograph
from kg_builder.question import Language, Question
from kg_builder.relation import SUBJECT

GAP = "\0"  # where a wording's subject stands
LONGEST = 300  # characters of a question that are looked at; no calibrated one is as long
FAR = 9  # edits from which on a wording is no nearer than any other
SLIPS = 2  # edits within which a wording is the one that was meant
LONG_NAME = 5  # letters of a name from which on one may be another
NAMES_TRIED = 12  # names in one question, the longest first
WORDINGS_TRIED = 16  # wordings compared with the rest of a question


def key(text: str) -> str:
    """``text`` as names and wordings are compared: one script, width and case, without punctuation; a space
    only between words of Latin letters and digits."""
    joined = ""
    for word in fold(text.replace(GAP, " ")).split():
        apart = joined and not is_ideograph(joined[-1]) and not is_ideograph(word[0])
        joined += f" {word}" if apart else word
    return joined


class Link(NamedTuple):
    """How a question relates to a domain. ``relations`` are those that the nearest wording asks for."""

    name: str  # the key of the known name that it holds or nearly holds, "" where there is none
    slips: int  # edits between that name and how it is written
    wording: str  # the nearest known wording, "" where none shares a pair of characters
    distance: int  # edits from the rest of the question to that wording
    length: int  # characters of that rest
    unseen: float  # share of the rest's character pairs that no wording has
    joint: float  # share of the two places around the name where no wording has what stands there
    fit: float  # how usual these relations are for what the name stands for, 0 … 1
    strange: int  # characters of the rest that the wording has not
    relations: tuple[int, ...]


class Named(NamedTuple):
    """Something with a name: how questions write it, in which language, and what is asked of it."""

    written: str
    language: Language
    relations: tuple[int, ...]


class Domain(BaseModel):
    """Names with the relations that are known of them, and wordings with the relations they ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    relations: tuple[str, ...]
    wordings: dict[str, tuple[int, ...]]
    calibrated: dict[Language, dict[int, str]]  # the wording of each relation that was calibrated
    names: dict[str, tuple[Named, ...]]  # by key: one key may be the name of several things

    @classmethod
    def of(cls, questions: Iterable[Question]) -> Domain:
        """The domain of ``questions``: all of a graph, whatever their split; their answers are left out."""
        number: dict[str, int] = {}
        wordings: dict[str, set[int]] = defaultdict(set)
        asked: dict[Language, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        named: dict[tuple[str, Language], set[int]] = defaultdict(set)
        aliases: dict[str, set[str]] = defaultdict(set)
        for question in questions:
            relation = number.setdefault(question.relation, len(number))
            named[question.subject, question.language].add(relation)
            if question.subject and question.subject in question.text:
                wording = question.text.replace(question.subject, SUBJECT, 1)
                asked[question.language][relation][wording] += 1
            for text in (question.text, *question.paraphrases):
                if rest := masked(text, question.subject):
                    wordings[rest].add(relation)
            for spelled in question.gold.objects:
                aliases[spelled[0]].update(spelled[1:])
        names: dict[str, set[Named]] = defaultdict(set)
        for (subject, language), found in named.items():
            one = Named(subject, language, tuple(sorted(found)))
            for name in (subject, *aliases.get(subject, ())):
                names[key(name)].add(one)
        return cls(
            relations=tuple(number),
            wordings={rest: tuple(sorted(found)) for rest, found in wordings.items()},
            calibrated={
                language: {r: max(sorted(c), key=c.__getitem__) for r, c in counts.items()}
                for language, counts in asked.items()
            },
            names={name: tuple(sorted(found)) for name, found in names.items() if name},
        )

    def calibrated_wording(self, link: Link, language: Language) -> str | None:
        """The question that ``link`` is of, in the wording that was calibrated; None where it is not plain
        which one that is.

        Only slips of the finger are mended (a letter left out, doubled, swapped): another letter may be
        another meaning, 岳父 is no 父亲.
        """
        if not link.name or link.slips or link.distance > SLIPS or link.strange:
            return None
        found = {
            (one.written, relation)
            for one in self.names[link.name]
            if one.language == language
            for relation in set(one.relations) & set(link.relations)
        }
        if len(found) != 1:
            return None
        ((written, relation),) = found
        wording = self.calibrated.get(language, {}).get(relation)
        return None if wording is None else wording.replace(SUBJECT, written)

    def link(self, question: str) -> Link:
        """How near ``question`` comes; of several readings the nearest."""
        text = key(question[:LONGEST])
        found = [self._linked("", 0, text)]
        for start, end in self._names_in(text):
            rest = text[:start].rstrip() + GAP + text[end:].lstrip()
            found.append(self._linked(text[start:end], 0, rest))
        if all(
            link.distance for link in found
        ):  # no name with a wording: perhaps a name with a slip
            for wording in self._listed:
                before, _, after = wording.partition(GAP)
                if text.startswith(before) and text.endswith(after):
                    written = text[len(before) : len(text) - len(after)].strip()
                    found += [self._linked(n, 1, wording) for n in self._like(written)]
        return min(found, key=badness)

    def _linked(self, name: str, slips: int, rest: str) -> Link:
        own = sorted({r for one in self.names.get(name, ()) for r in one.relations})
        grams = pairs(rest)
        unseen = sum(gram not in self._postings for gram in grams) / len(grams)
        near = [
            Link(
                name,
                slips,
                wording,
                distance,
                len(rest),
                unseen,
                self._joint(rest),
                self._fit(own, asked),
                len(set(rest) - set(wording)),
                asked,
            )
            for wording, distance in self._nearest(rest)
            for asked in (self.wordings[wording],)
        ]
        none = Link(
            name, slips, "", FAR, len(rest), unseen, self._joint(rest), 0.0, len(set(rest)), ()
        )
        return min(near, key=badness, default=none)

    def _joint(self, rest: str) -> float:
        """Unseen on both sides of the name it is another, longer name: 奥地利海盗党."""
        at = f"^{rest}$".find(GAP)
        around = (f"^{rest}$"[at - 1 : at + 1], f"^{rest}$"[at : at + 2]) if at > 0 else ()
        return sum(gram not in self._postings for gram in around) / 2

    def _like(self, written: str) -> set[str]:
        """The names that are one edit away from one ``written`` with three letters or more."""
        if not 2 < len(written) <= self._longest + 1 or written in self.names:
            return set()
        near: set[str] = set()
        for form in (written, *without_one(written)):
            near.update(self._misspelt.get(form, ()))
        # Of short names with another letter most are other names: 司马岐 is not 司马懿.
        return {
            name
            for name in near
            if edits(written, name, 2) < 2 and (len(name) >= LONG_NAME or set(written) <= set(name))
        }

    def _names_in(self, text: str) -> list[tuple[int, int]]:
        spans = []
        for start in range(len(text)):
            if start and _letters(text[start - 1 : start + 1]):
                continue  # within a Latin word
            for end in range(start + 1, min(len(text), start + self._longest) + 1):
                if text[start:end] in self.names and not _letters(text[end - 1 : end + 1]):
                    spans.append((start, end))
        return sorted(spans, key=lambda span: (span[0] - span[1], span[0]))[:NAMES_TRIED]

    def _nearest(self, rest: str) -> list[tuple[str, int]]:
        """The wordings most like ``rest``, each with the edits that lie between."""
        if rest in self.wordings:
            return [(rest, 0)]
        shared: Counter[int] = Counter()
        for gram in pairs(rest):
            shared.update(self._postings.get(gram, ()))
        likeness = {i: 2 * n / (len(rest) + len(self._listed[i])) for i, n in shared.items()}
        likely = sorted(likeness, key=lambda i: -likeness[i])[:WORDINGS_TRIED]
        return [(self._listed[i], edits(rest, self._listed[i], FAR)) for i in likely]

    def _fit(self, own: Sequence[int], asked: Sequence[int]) -> float:
        """The largest share, over what is known of the name, of things of which that is known and of which
        one of the relations ``asked`` is known too."""
        if set(own) & set(asked):
            return 1.0
        return max(
            (self._together[r, a] / self._together[r, r] for r in own for a in asked), default=0.0
        )

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.names), default=0)

    @cached_property
    def _listed(self) -> list[str]:
        return list(self.wordings)

    @cached_property
    def _misspelt(self) -> dict[str, list[str]]:
        """Names by what is left of them without one letter, and whole: two that are one edit apart share
        such a form (symmetric deletion, Garbe 2012)."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            if len(name) > 2:
                for form in (name, *without_one(name)):
                    found[form].append(name)
        return dict(found)

    @cached_property
    def _postings(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for i, wording in enumerate(self._listed):
            for gram in pairs(wording):
                found[gram].append(i)
        return dict(found)

    @cached_property
    def _together(self) -> Counter[tuple[int, int]]:
        things = {one for named in self.names.values() for one in named}
        return Counter((a, b) for one in things for a in one.relations for b in one.relations)


def badness(link: Link) -> tuple[float, float]:
    """What is least in the nearest reading of a question."""
    share = link.distance / max(1, link.length)
    return share + (not link.name) + 0.5 * link.slips + (1 - link.fit), -len(link.name)


def without_one(text: str) -> set[str]:
    return {text[:i] + text[i + 1 :] for i in range(len(text))}


def masked(text: str, subject: str) -> str:
    """The key of ``text`` with the gap where ``subject`` stands; "" where it does not stand there."""
    before, found, after = key(text).partition(key(subject) or GAP)
    return before.rstrip() + GAP + after.lstrip() if found else ""


def pairs(text: str) -> set[str]:
    """Pairs of neighbouring characters, ends included."""
    return {a + b for a, b in zip(f"^{text}", f"{text}$", strict=True)}


def edits(one: str, other: str, most: int) -> int:
    """Levenshtein distance with swaps of neighbours as one edit, or ``most`` where it is no smaller."""
    if abs(len(one) - len(other)) >= most:
        return most
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) >= most:
            return most
    return min(row[-1], most)


def _letters(two: str) -> bool:
    """Whether both of two characters belong to one word of Latin letters or digits."""
    return (
        len(two) == 2
        and re.fullmatch(r"[^\W_]{2}", two) is not None
        and not any(map(is_ideograph, two))
    )
