"""Passage: one retrievable piece of text with its origin."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.question import Language


def is_unset(value: Any) -> bool:
    """Whether a field says nothing: such a field is left out of JSON."""
    return value in (None, "", 0, False, ())


class Location(BaseModel):
    """Where a part of a passage stands in its document, as a person would look it up there.

    ``start`` is the offset in the passage's text from which the location holds; all other numbers count
    from 1. What the kind of document does not have stays unset and is left out of JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(default=0, ge=0, exclude_if=is_unset)
    page: int | None = Field(default=None, exclude_if=is_unset)  # of a PDF; slide of a presentation
    sheet: str = Field(default="", exclude_if=is_unset)
    row: int | None = Field(default=None, exclude_if=is_unset)  # of a sheet or table file
    line: int | None = Field(default=None, exclude_if=is_unset)  # of a text, record of JSON Lines
    heading: str = Field(default="", exclude_if=is_unset)  # headings above it, outermost first


class Passage(BaseModel):
    """A paragraph to be indexed. ``id`` is stable: same document and position, same id.

    ``document`` is the id of the file that it was cut from, where ``id`` alone does not say so;
    ``locations`` are in order of their starts, the first one at 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    text: str
    url: str = ""
    language: Language = "zh"
    entities: tuple[str, ...] = ()  # subject_ids of the entities it tells about
    document: str = Field(default="", exclude_if=is_unset)
    locations: tuple[Location, ...] = Field(default=(), exclude_if=is_unset)

    def location_at(self, offset: int) -> Location | None:
        """The location of the character at ``offset`` of the text; None where none is known."""
        found = None
        for location in self.locations:
            if location.start > offset:
                break
            found = location
        return found
