"""Phrasing: a fact told as one Question, in one language."""

from __future__ import annotations

import hashlib
import re

from kg_builder.fact import Entity, Fact, Object
from kg_builder.question import Gold, Language, Question, Split
from kg_builder.relation import Relation, fill

_HAN = r"\u2e80-\u2fdf\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f〇"
HAN = re.compile(f"[{_HAN}]")
# What parts Latin words, Chinese characters included: C is a word of 碳C, not of C60.
_NOT_A_WORD = re.compile(r"[^0-9a-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff]+")


def question_id(subject_id: str, relation_id: str, language: Language) -> str:
    """Stable: it depends on what is asked, not on wordings, seeds or the rest of the graph."""
    text = f"{subject_id}\t{relation_id}"
    return f"{language}-{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:16]}"


def make_question(
    fact: Fact,
    subject: Entity,
    relation: Relation,
    language: Language,
    split: Split,
    seed: int = 0,
) -> Question:
    """One question about one fact. The main text is the article's form, the rest are paraphrases.

    The subject needs a label in ``language`` (KeyError without).
    """
    name = subject.labels[language]
    written = relation.written(name, language)
    wordings = (fill(wording, s=written) for wording in relation.questions(language))
    first, *others = (capitalise(wording, language) for wording in wordings)
    identity = question_id(fact.subject_id, relation.id, language)
    return Question(
        id=identity,
        text=first,
        language=language,
        subject=name,
        subject_id=fact.subject_id,
        relation=relation.id,
        topic=relation.topic(name, language),
        gold=Gold(
            objects=gold_objects(fact.objects, language),
            answer_type=relation.answer,
        ),
        split=split,
        paraphrases=tuple(rotate(others, identity, seed)),
        popularity=subject.popularity,
        source=fact.source,
    )


def gold_objects(objects: tuple[Object, ...], language: Language) -> tuple[tuple[str, ...], ...]:
    """Names of each object, those that have a label in the question's language first.

    An entity that a fact gives under several of its names (赵光义, 赵炅) is one object.
    """
    distinct: dict[str, Object] = {}
    for one in objects:
        held = distinct.setdefault(one.id, one)
        if (one.label(language) or "") < (held.label(language) or ""):
            distinct[one.id] = one
    ordered = sorted(distinct.values(), key=lambda one: one.label(language) is None)
    return tuple(one.names(language) for one in ordered)


def rotate(wordings: list[str], identity: str, seed: int) -> list[str]:
    """The wordings from a seeded place on: every one of them leads equally often."""
    if len(wordings) < 2:
        return wordings
    digest = hashlib.md5(f"{seed}\t{identity}".encode(), usedforsecurity=False).hexdigest()
    start = int(digest[:8], 16) % len(wordings)
    return wordings[start:] + wordings[:start]


def capitalise(text: str, language: Language) -> str:
    return text[:1].upper() + text[1:] if language == "en" else text


def words(text: str) -> str:
    """Lower-case words between single spaces, one at each end; for containment of Latin names."""
    return f" {_NOT_A_WORD.sub(' ', text.lower()).strip()} "


def gives_away(question: str, answer: str) -> bool:
    """Whether the question names the answer: as characters if Chinese, as whole words if not."""
    if HAN.search(answer):
        return answer.lower() in question.lower()
    wanted = words(answer)
    return wanted.strip() != "" and wanted in words(question)
