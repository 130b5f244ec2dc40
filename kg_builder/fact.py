"""Entity, Object and Fact: what a knowledge graph says, in memory."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.question import Language

LANGUAGES: tuple[Language, ...] = ("zh", "en")


class Object(BaseModel):
    """What a fact says of its subject: an entity, or a literal such as a date or a number.

    ``id`` is an entity's id where it is one, else the literal's text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    labels: dict[Language, str] = {}
    aliases: dict[Language, tuple[str, ...]] = {}

    def label(self, language: Language) -> str | None:
        return self.labels.get(language)

    def names(self, language: Language) -> tuple[str, ...]:
        """Every name, those in ``language`` first, without repetition. Never empty."""
        found: list[str] = []
        for one in sorted(LANGUAGES, key=lambda other: other != language):
            if one in self.labels:
                found.append(self.labels[one])
            found.extend(self.aliases.get(one, ()))
        return tuple(dict.fromkeys(found)) or (self.id,)


class Entity(Object):
    """A thing that facts are about. ``popularity``: larger is better known; None where unknown."""

    popularity: float | None = None


class Fact(BaseModel):
    """One subject, one relation, all its objects (a single-valued relation has one)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject_id: str
    relation_id: str
    objects: tuple[Object, ...] = Field(min_length=1)
    source: str = ""
