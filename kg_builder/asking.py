"""build_questions: the facts of a graph in memory, asked in one language."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.fact import Entity, Fact
from kg_builder.graph import Graph
from kg_builder.phrasing import gives_away, gold_objects, make_question
from kg_builder.question import Language, Question, Split
from kg_builder.relation import Catalogue, Relation
from kg_builder.splits import LEAK, Shares, held_out_relations, leaking_pairs, split_of
from kg_builder.tally import Tally

CHANGING = "changes over time"
NO_SUBJECT_NAME = "the subject has no name in the language"
NO_OBJECT_NAME = "no object has a name in the language"
NO_RELATION_NAME = "the relation has no name in the language"
SEVERAL_VALUES = "values of a single-valued relation contradict each other"
AMBIGUOUS = "the name of the subject stands for several things"
GIVEN_AWAY = "the answer is in the question"
HELD_OUT = "held-out relation outside the test split"


class QuestionSettings(BaseModel):
    """Which facts become questions, and how they are split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    include_changing: bool = False  # ask what changes over time (presidents, populations)
    shares: Shares = Shares()
    held_out_share: float = Field(
        default=0.0, ge=0, le=1
    )  # relations that occur in the test split only


@dataclass(frozen=True)
class QuestionReport:
    """What became of the facts: questions by split and by relation, drops by reason."""

    language: Language
    facts: int
    questions: int
    splits: dict[str, int]
    relations: dict[str, int]
    held_out: tuple[str, ...]
    dropped: Tally

    def as_dict(self) -> dict[str, Any]:
        return {
            "language": self.language,
            "facts": self.facts,
            "questions": self.questions,
            "splits": self.splits,
            "relations": self.relations,
            "held_out_relations": list(self.held_out),
            "dropped": self.dropped.as_dict(),
        }


@dataclass(frozen=True)
class BuildResult:
    questions: tuple[Question, ...]
    report: QuestionReport


def build_questions(
    graph: Graph,
    catalogue: Catalogue,
    language: Language,
    seed: int = 0,
    settings: QuestionSettings | None = None,
) -> BuildResult:
    """One question per fact that can be asked fairly, in the order of the facts."""
    settings = settings or QuestionSettings()
    dropped = Tally()

    @cache
    def split(entity_id: str) -> Split:
        return split_of(entity_id, settings.shares, seed)

    relations = {
        relation_id: catalogue.resolve(relation_id)
        for relation_id in dict.fromkeys(fact.relation_id for fact in graph.facts)
    }
    borne = Counter(entity.label(language) for entity in graph.entities.values())
    held_out = held_out_relations(relations, settings.held_out_share, seed)
    askable: list[Fact] = []
    for fact in graph.facts:
        subject, relation = graph.entities[fact.subject_id], relations[fact.relation_id]
        reason = unfair(fact, subject, relation, language, settings)
        if reason in (None, NO_OBJECT_NAME, GIVEN_AWAY) and borne[subject.label(language)] > 1:
            reason = AMBIGUOUS
        if reason is None and relation.id in held_out and split(subject.id) != "test":
            reason = HELD_OUT
        if reason is None:
            askable.append(fact)
        else:
            dropped.add(reason, _sample(fact, language))
    told = (fact for fact in graph.facts if not _left_out(relations[fact.relation_id], settings))
    leaks = leaking_pairs(((fact.subject_id, o.id) for fact in told for o in fact.objects), split)
    questions = []
    for fact in askable:
        if any((fact.subject_id, one.id) in leaks for one in fact.objects):
            dropped.add(LEAK, _sample(fact, language))
            continue
        questions.append(
            make_question(
                fact,
                graph.entities[fact.subject_id],
                relations[fact.relation_id],
                language,
                split(fact.subject_id),
                seed,
            )
        )
    report = QuestionReport(
        language=language,
        facts=len(graph),
        questions=len(questions),
        splits=dict(Counter(question.split for question in questions)),
        relations=dict(Counter(question.relation for question in questions)),
        held_out=tuple(sorted(held_out)),
        dropped=dropped,
    )
    return BuildResult(tuple(questions), report)


def unfair(
    fact: Fact,
    subject: Entity,
    relation: Relation,
    language: Language,
    settings: QuestionSettings,
) -> str | None:
    """Why the fact cannot be asked in this language, or None."""
    if _left_out(relation, settings):
        return CHANGING
    if not relation.has_name(language):
        return NO_RELATION_NAME
    name = subject.label(language)
    if name is None:
        return NO_SUBJECT_NAME
    if all(one.label(language) is None for one in fact.objects):
        return NO_OBJECT_NAME
    given = (names[0] for names in gold_objects(fact.objects, language))
    if any(gives_away(name, answer) for answer in given):
        return GIVEN_AWAY
    return None


def _left_out(relation: Relation, settings: QuestionSettings) -> bool:
    return relation.values == "changing" and not settings.include_changing


def _sample(fact: Fact, language: Language) -> str:
    objects = "、".join(one.names(language)[0] for one in fact.objects)
    return f"{fact.subject_id} | {fact.relation_id} | {objects}"
