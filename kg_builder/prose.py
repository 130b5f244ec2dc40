"""read_prose: entities of the embedded graph told in running prose, which no template of the graph wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from kg_builder.errors import UserError
from kg_builder.passage import Passage
from kg_builder.question import Language

FOLDER = Path(__file__).parent / "data" / "prose"
GRAPH = "embedded"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ProseError(UserError):
    """A paragraph cannot be used."""


class Paragraph(BaseModel):
    """One line of a prose file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entity: Text  # subject_id in the embedded graph
    title: Text  # the entity's label in the language of the file
    text: Text


def read_prose(languages: Sequence[Language], folder: Path = FOLDER) -> list[Passage]:
    """The paragraphs of ``folder`` in ``languages``, at most one per entity and language.

    ProseError names the file that is missing, or the file and the line of a paragraph that is malformed
    or tells an entity again.
    """
    return [passage for language in languages for passage in _read(folder, language)]


def prose_id(entity: str, language: Language) -> str:
    """Stable, and never the id of the passage that templates make of the same entity."""
    text = f"prose\t{GRAPH}\t{entity}"
    return f"{language}-prose-{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:16]}"


def _read(folder: Path, language: Language) -> list[Passage]:
    path = folder / f"{language}.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ProseError(f"{path}: {error.strerror or error}. Check the path.") from error
    told: dict[str, Passage] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            paragraph = Paragraph.model_validate_json(line)
        except ValidationError as error:
            faults = "; ".join(
                ": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in error.errors()
            )
            raise ProseError(f"{where}: {faults}. A paragraph is entity, title, text.") from error
        if paragraph.entity in told:
            raise ProseError(f"{where}: {paragraph.entity} is told before. Keep one paragraph.")
        told[paragraph.entity] = Passage(
            id=prose_id(paragraph.entity, language),
            title=paragraph.title,
            text=paragraph.text,
            url=f"kg://{GRAPH}/{quote(paragraph.entity, safe='')}",
            language=language,
            entities=(paragraph.entity,),
        )
    return list(told.values())
