"""Graph: a knowledge graph that fits in memory, and the one that the project ships."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from kg_builder.fact import Entity, Fact


class Graph:
    """Entities by id, and facts in the order in which they were read.

    For graphs that do not fit in memory use ``kg_builder.build.build``, which never makes one.
    """

    def __init__(self, entities: Iterable[Entity], facts: Iterable[Fact], name: str = "") -> None:
        self.entities = {entity.id: entity for entity in entities}
        self.facts = tuple(facts)
        self.name = name

    def __len__(self) -> int:
        return len(self.facts)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self.entities)} entities, {len(self.facts)} facts)"

    @cached_property
    def _facts_of(self) -> dict[str, tuple[Fact, ...]]:
        grouped: dict[str, list[Fact]] = {}
        for fact in self.facts:
            grouped.setdefault(fact.subject_id, []).append(fact)
        return {subject: tuple(found) for subject, found in grouped.items()}

    def facts_of(self, entity_id: str) -> tuple[Fact, ...]:
        return self._facts_of.get(entity_id, ())

    @property
    def subjects(self) -> tuple[str, ...]:
        """Ids of the entities that some fact is about, in reading order."""
        return tuple(self._facts_of)


def embedded_paths() -> list[Path]:
    folder = Path(str(files("kg_builder"))) / "data" / "graph"
    return sorted(folder.glob("*.tsv"))


def load_embedded() -> Graph:
    """The graph of real facts under kg_builder/data/graph."""
    from kg_builder.relation import Catalogue
    from kg_builder.sources.tables import read_tables

    return read_tables(embedded_paths(), Catalogue.load(), name="embedded").graph
