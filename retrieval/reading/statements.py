"""Statements: texts that assert, ask, deny, hedge or leave blank a fact, as examples for the span reader.

Facts come from a graph's training questions. Subjects and objects are exchanged for others of their
kind or for names that nobody has, so that no fact is taught: only what a text has to say to answer.
"""

from __future__ import annotations

import random
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language, Question
from kg_builder.relation import Catalogue, Relation, fill
from retrieval.reading.dataset import ReadingExample

FOLDER = Path(__file__).parents[1] / "language"

# How often a text speaks of the fact in each way, and whether it answers then.
ANSWERING = {"asserted": 5.0, "answered": 1.0, "corrected": 2.0, "elided": 1.5}
SILENT = {
    "asked": 1.2,
    "polar": 1.0,
    "alternatives": 0.8,
    "denied": 1.4,
    "hedged": 1.4,
    "blank": 1.0,
    "described": 1.0,
    "former": 0.5,
    "other_subject": 2.0,
    "other_relation": 1.5,
    "other_title": 1.0,
}
INVENTED = 0.5  # share of the examples whose subject is a name that nobody has
ALIKE = 0.5  # of other subjects, those whose name differs in one part only
MOST_DISTRACTORS = 3
_STANDS_IN: dict[Language, str] = {"zh": "红港", "en": "Redport"}
_SERIES: dict[Language, tuple[str, ...]] = {
    "zh": (
        "一号",
        "二号",
        "三号",
        "A款",
        "B款",
        "一期",
        "二期",
        "东区",
        "西区",
        "企业版",
        "标准版",
    ),
    "en": (" I", " II", " 1", " 2", " Pro", " Lite", " North", " South", " A", " B"),
}


class StatementPack(BaseModel):
    """The wordings of one language; see language/statements.*.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asserted: tuple[str, ...]
    answered: tuple[str, ...]
    corrected: tuple[str, ...]
    asked: tuple[str, ...]
    polar: tuple[str, ...]
    alternatives: tuple[str, ...]
    denied: tuple[str, ...]
    hedged: tuple[str, ...]
    blank: tuple[str, ...]
    described: tuple[str, ...]
    former: tuple[str, ...]


@lru_cache
def statement_pack(language: Language) -> StatementPack:
    with (FOLDER / f"statements.{language}.toml").open("rb") as stream:
        return StatementPack.model_validate(tomllib.load(stream))


class _Fact(NamedTuple):
    relation: Relation
    language: Language
    subject: str
    object: str
    other: str  # another object of the same kind
    question: str


class Statements:
    """Endless examples, drawn with the caller's random generator."""

    def __init__(self, questions: Sequence[Question], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._by_relation: dict[tuple[Language, str], list[Question]] = defaultdict(list)
        for question in questions:
            self._by_relation[question.language, question.relation].append(question)
        self._keys = [key for key, held in self._by_relation.items() if len(held) > 3]
        self._relations: dict[Language, list[str]] = defaultdict(list)
        for language, relation in self._keys:
            self._relations[language].append(relation)

    def draw(self, rng: random.Random) -> ReadingExample:
        """One example; about half of them are answerable."""
        fact = self._fact(rng)
        kinds = ANSWERING | SILENT
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        target, title = self._told(fact, kind, rng)
        before = [self._distractor(fact, rng) for _ in range(rng.randint(0, MOST_DISTRACTORS))]
        after = [self._distractor(fact, rng) for _ in range(rng.randint(0, MOST_DISTRACTORS))]
        joint = "" if fact.language == "zh" else " "
        head = joint.join(before)
        text = joint.join([*before, target, *after])
        if kind not in ANSWERING:
            return ReadingExample(fact.question, title, text)
        base = len(head) + (len(joint) if before else 0)
        # In a correction the object comes after what it is held against, save where it comes first.
        place = target.rfind(fact.object)
        if place < 0:
            return ReadingExample(fact.question, title, text)
        return ReadingExample(
            fact.question, title, text, base + place, base + place + len(fact.object)
        )

    def _told(self, fact: _Fact, kind: str, rng: random.Random) -> tuple[str, str]:
        """What the text says of the fact, and the passage's title."""
        title = fact.subject if rng.random() < 0.6 else ""
        if kind == "elided":
            return self._elided(fact, rng), fact.subject
        if kind == "other_title":
            return self._elided(fact, rng), self._other_subject(fact, rng)
        if kind == "other_subject":
            fact = fact._replace(subject=self._other_subject(fact, rng))
            return self._asserted(fact, rng), rng.choice(["", fact.subject])
        if kind == "other_relation":
            other = self._fact(rng, fact.language, apart_from=fact.relation.id)
            return self._asserted(other._replace(subject=fact.subject), rng), title
        if kind == "asserted":
            return self._asserted(fact, rng), title
        wordings: tuple[str, ...] = getattr(statement_pack(fact.language), kind)
        return self._filled(rng.choice(wordings), fact, rng), title

    def _asserted(self, fact: _Fact, rng: random.Random) -> str:
        pack = statement_pack(fact.language)
        # The plainest form is by far the commonest in real texts.
        wording = pack.asserted[0] if rng.random() < 0.5 else rng.choice(pack.asserted)
        return self._filled(wording, fact, rng)

    def _elided(self, fact: _Fact, rng: random.Random) -> str:
        """A statement that leaves its subject to the title."""
        if fact.language == "zh":
            name = fact.relation.name("zh")
            subject = rng.choice(["其", "他的", "该", "它的", ""])
            return f"{subject}{name}{rng.choice(['是', '为', ':', '是'])}{fact.object}。"
        name = fact.relation.name("en")
        return f"{rng.choice(['Its', 'The', 'His', 'Her', 'Their'])} {name} is {fact.object}."

    def _filled(self, wording: str, fact: _Fact, rng: random.Random) -> str:
        language = fact.language
        subject = fact.relation.written(fact.subject, language)
        told = fill(rng.choice(fact.relation.statements(language)), s=subject, o=fact.object)
        if told.startswith("The ") and not wording.startswith("{t}"):
            told = "t" + told[1:]
        return fill(
            wording,
            t=told,
            s=subject,
            p=fact.relation.name(language),
            o=fact.object,
            x=fact.other,
            q=fact.question,
        )

    def _distractor(self, fact: _Fact, rng: random.Random) -> str:
        other = self._fact(rng, fact.language, apart_from=fact.relation.id)
        if rng.random() < 0.5:
            other = other._replace(subject=fact.subject)
        return self._asserted(other, rng)

    def _fact(
        self, rng: random.Random, language: Language | None = None, apart_from: str = ""
    ) -> _Fact:
        if language is None:
            language, relation_id = rng.choice(self._keys)
        else:
            relation_id = rng.choice(self._relations[language])
            while relation_id == apart_from and len(self._relations[language]) > 1:
                relation_id = rng.choice(self._relations[language])
        held = self._by_relation[language, relation_id]
        asked, told, other = rng.choice(held), rng.choice(held), rng.choice(held)
        relation = self._catalogue.resolve(relation_id)
        subject = self._invented(held, rng) if rng.random() < INVENTED else asked.subject
        question = rng.choice([asked.text, *asked.paraphrases]).replace(asked.subject, subject)
        if subject not in question:
            subject = asked.subject
        return _Fact(
            relation,
            language,
            subject,
            told.gold.objects[0][0],
            _apart(other.gold.objects[0][0], told.gold.objects[0][0], language),
            question,
        )

    @staticmethod
    def _invented(held: Sequence[Question], rng: random.Random) -> str:
        """The head of one name with the tail of another, or a name with a number of a series."""
        one, two = rng.choice(held), rng.choice(held)
        if rng.random() < 0.25:
            return one.subject + rng.choice(_SERIES[one.language])
        if one.language == "en":
            return " ".join([*one.subject.split()[:1], *two.subject.split()[-1:]])
        return one.subject[: (len(one.subject) + 1) // 2] + two.subject[len(two.subject) // 2 :]

    def _other_subject(self, fact: _Fact, rng: random.Random) -> str:
        if rng.random() < ALIKE:
            series = _SERIES[fact.language]
            for end in series:
                if fact.subject.endswith(end):
                    return fact.subject.removesuffix(end) + rng.choice(
                        [other for other in series if other != end]
                    )
            return fact.subject + rng.choice(series)
        held = self._by_relation[fact.language, fact.relation.id]
        other = rng.choice(held).subject
        return other if other != fact.subject else self._invented(held, rng)


def _apart(other: str, told: str, language: Language) -> str:
    """``other`` where neither of the two names holds the other, or the answer could not be told from it."""
    if other in told or told in other:
        return _STANDS_IN[language]
    return other
