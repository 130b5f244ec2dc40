"""Passage: one retrievable piece of text with its origin."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language


class Passage(BaseModel):
    """A paragraph to be indexed. ``id`` is stable: same document and position, same id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    text: str
    url: str = ""
    language: Language = "zh"
    entities: tuple[str, ...] = ()  # subject_ids of the entities it tells about
