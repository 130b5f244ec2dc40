"""Entries: short texts written around questions that people asked of an encyclopedia's triples.

Questions about triples are worded as people speak, often without the relation's own name; the texts
state the triple among others whose relations are named alike, so that a reader learns which wording
asks for which relation. A part of the entries does not state it (Rajpurkar et al. 2018).
"""

from __future__ import annotations

import random
import re
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from kg_builder.relation import fill
from retrieval.reading.dataset import ReadingPassage, ReadingQuestion

PACK = Path(__file__).parents[1] / "language" / "entries.zh.toml"
FACTS = (2, 6)  # other facts of an entry
SILENT = 0.2  # share of the entries that do not state what is asked
ALIKE = 0.5  # share of the other facts whose relation shares a character with the one asked for
OTHER_SUBJECT = 0.4  # share of the entries that tell the same relation of another subject too
LONGEST = 60  # characters of an object that is told
_NUMBER = re.compile(r"\d")
_LATIN = re.compile(r"[A-Za-z]")


class Triple(NamedTuple):
    """A question with the triple that answers it."""

    question: str
    subject: str
    relation: str
    object: str


class _Pack(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sentences: tuple[str, ...]
    lines: tuple[str, ...]


@lru_cache
def _pack() -> _Pack:
    with PACK.open("rb") as stream:
        return _Pack.model_validate(tomllib.load(stream))


def entries(triples: Sequence[Triple], seed: int = 0) -> list[ReadingPassage]:
    """One passage for each triple, with its question; the same for a seed.

    A question whose entry does not answer has no answers.
    """
    usable = [t for t in triples if 0 < len(t.object) <= LONGEST and t.relation]
    alike: dict[str, list[Triple]] = defaultdict(list)
    for triple in usable:
        for character in set(triple.relation):
            alike[character].append(triple)
    return [
        _entry(triple, usable, alike, random.Random(f"{seed}/{place}"))
        for place, triple in enumerate(usable)
    ]


def _entry(
    asked: Triple, triples: Sequence[Triple], alike: dict[str, list[Triple]], rng: random.Random
) -> ReadingPassage:
    facts: list[tuple[str, str, str]] = []  # subject, relation, object
    for _ in range(rng.randint(*FACTS)):
        held = alike[rng.choice(asked.relation)] if rng.random() < ALIKE else triples
        other = rng.choice(held)
        if _apart(other, asked):
            facts.append((asked.subject, other.relation, other.object))
    if rng.random() < OTHER_SUBJECT:
        other = rng.choice(triples)
        if _told_apart(other.subject, asked.subject) and _told_apart(other.object, asked.object):
            facts.append((other.subject, asked.relation, other.object))
    stated = rng.random() >= SILENT
    if stated:
        facts.append((asked.subject, asked.relation, asked.object))
    rng.shuffle(facts)
    pack = _pack()
    if rng.random() < 0.3:
        form = rng.choice(pack.lines)
        lines = [
            fill(form, s=s, p=p if s == asked.subject else f"{s}的{p}", o=o) for s, p, o in facts
        ]
        text = "\n".join([asked.subject, *lines] if rng.random() < 0.5 else lines)
    else:
        text = "".join(_sentence(asked.subject, fact, rng) for fact in facts)
    answers = (asked.object,) if stated else ()
    return ReadingPassage(asked.subject, text, (ReadingQuestion(asked.question, answers),))


def _sentence(subject: str, fact: tuple[str, str, str], rng: random.Random) -> str:
    """A fact in one of the wordings; of another subject only in those that name it."""
    s, p, o = fact
    wordings = [w for w in _pack().sentences if s == subject or "{s}" in w]
    return fill(rng.choice(wordings), s=s, p=p, o=o)


def _apart(other: Triple, asked: Triple) -> bool:
    """Whether another relation is not merely another name of the one that is asked for: relations
    that share two characters are told apart by the kinds of their objects."""
    if not _told_apart(other.object, asked.object):
        return False
    shared = set(other.relation) & set(asked.relation)
    if other.relation == asked.relation:
        return False
    return len(shared) < 2 or _kind(other.object) != _kind(asked.object)


def _told_apart(one: str, other: str) -> bool:
    return one not in other and other not in one


def _kind(name: str) -> tuple[bool, bool]:
    return bool(_NUMBER.search(name)), bool(_LATIN.search(name))
