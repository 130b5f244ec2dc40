"""BuildSettings: everything that decides what a build gives."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.asking import QuestionSettings
from kg_builder.question import Language
from kg_builder.sources.spec import SourceSpec

# What becomes of relations that no catalogue knows: asked where the name says what for (…日期, …者),
# all of them, or none.
Unknown = Literal["typed", "all", "none"]

ENCYCLOPEDIC = 2_000  # subjects


class BuildSettings(BaseModel):
    """Equal settings and equal sources give equal files, byte for byte."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceSpec, ...] = Field(
        default=(SourceSpec(location="embedded"),), min_length=1
    )
    languages: tuple[Language, ...] = Field(default=("zh",), min_length=1)
    catalogue: tuple[Path, ...] = ()  # the user's own relations, before the built-in ones
    builtin_catalogue: bool = True
    unknown_relations: Unknown = "typed"
    # Drop subjects like 王军 and 向阳村 where the source has no ids. None: in graphs of ENCYCLOPEDIC
    # subjects and more; in a small one, which is somebody's own, a name means one thing.
    strict_names: bool | None = None
    questions: QuestionSettings = QuestionSettings()
    passages: bool = True
    documents: tuple[Path, ...] = ()  # the user's own texts, linked to entities: more passages
    seed: int = 0
    max_questions: int | None = Field(default=None, ge=1)  # per language, chosen by hash
    memory: str = Field(default="1400MB", pattern=r"^[0-9.]+ ?[KMGT]i?B$")  # of the database alone
    threads: int = Field(default=0, ge=0)  # 0: one per core
