"""Parts: ranges of entities whose facts are grouped at once, in memory."""

from __future__ import annotations

import itertools

from kg_builder.bulk.store import Store

PART_VALUES = 2_000_000


def parts_of(store: Store, values: str = "true") -> list[range]:
    """The numbers of the entities, cut so that about PART_VALUES such values are told of those of a part."""
    entities = store.count("entity")
    parts = 1 + store.count("value", values) // PART_VALUES
    bounds = [entities * place // parts for place in range(parts + 1)]
    return [range(low, high) for low, high in itertools.pairwise(bounds)]


def within(column: str, part: range) -> str:
    """Whether the entity is of the part, as an expression."""
    return f"{column} BETWEEN {part.start} AND {part.stop - 1}"
