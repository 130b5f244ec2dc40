"""build_passages: the facts of an entity told as one encyclopedic paragraph."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import quote

from kg_builder.fact import Entity, Fact
from kg_builder.graph import Graph
from kg_builder.passage import Passage
from kg_builder.phrasing import capitalise
from kg_builder.question import Language
from kg_builder.relation import Catalogue, Relation, fill

# How sentences and names are joined, and how other names are introduced.
STOP: dict[Language, str] = {"zh": "。", "en": ". "}
COMMA: dict[Language, str] = {"zh": "、", "en": ", "}
ALSO: dict[Language, str] = {"zh": "{s}又称{o}", "en": "{s} is also known as {o}"}
MAX_ALIASES = 3


def build_passages(
    graph: Graph, catalogue: Catalogue, language: Language, seed: int = 0
) -> list[Passage]:
    """One passage per subject that has a name in ``language`` and something to tell in it."""
    passages = []
    for subject_id in graph.subjects:
        subject = graph.entities[subject_id]
        sentences = list(_sentences(subject, graph.facts_of(subject_id), catalogue, language, seed))
        if not sentences:
            continue
        text = "".join(sentence + STOP[language] for sentence in sentences).strip()
        objects = (one.id for fact in graph.facts_of(subject_id) for one in fact.objects)
        passages.append(
            Passage(
                id=passage_id(graph.name, subject_id, language),
                title=subject.labels[language],
                text=text,
                url=f"kg://{graph.name or 'graph'}/{quote(subject_id, safe='')}",
                language=language,
                entities=(
                    subject_id,
                    *dict.fromkeys(o for o in objects if o in graph.entities and o != subject_id),
                ),
            )
        )
    return passages


def passage_id(source: str, subject_id: str, language: Language) -> str:
    text = f"{source}\t{subject_id}"
    return f"{language}-{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:16]}"


def _sentences(
    subject: Entity,
    facts: tuple[Fact, ...],
    catalogue: Catalogue,
    language: Language,
    seed: int,
) -> Iterator[str]:
    name = subject.label(language)
    if name is None:
        return
    told = False
    for fact in facts:
        objects = [label for one in fact.objects if (label := one.label(language))]
        if not objects:
            continue
        relation = catalogue.resolve(fact.relation_id)
        told = True
        yield _statement(name, relation, COMMA[language].join(objects), fact, language, seed)
    aliases = [
        a for a in subject.aliases.get(language, ()) if a.strip("《》") != name.strip("《》")
    ]
    if told and aliases:
        yield fill(ALSO[language], s=name, o=COMMA[language].join(aliases[:MAX_ALIASES]))


def _statement(
    name: str, relation: Relation, objects: str, fact: Fact, language: Language, seed: int
) -> str:
    """One of the relation's statements, chosen by hash so that it never changes by itself."""
    wordings = relation.statements(language)
    key = f"{seed}\t{fact.subject_id}\t{fact.relation_id}"
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    chosen = wordings[int(digest[:8], 16) % len(wordings)]
    return capitalise(fill(chosen, s=relation.written(name, language), o=objects), language)
