"""build: knowledge graphs in, a folder of questions and passages out."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.asking import BuildResult, QuestionReport, QuestionSettings, build_questions
from kg_builder.files import (
    digest,
    read_manifest,
    sha256_file,
    write_json,
    write_jsonl,
    write_manifest,
)
from kg_builder.graph import embedded_paths
from kg_builder.passages import build_passages
from kg_builder.question import Language
from kg_builder.relation import Catalogue, builtin_paths
from kg_builder.sources.spec import SourceSpec
from kg_builder.sources.tables import read_tables

__all__ = [
    "BuildReport",
    "BuildResult",
    "BuildSettings",
    "QuestionReport",
    "QuestionSettings",
    "build",
    "build_questions",
]

QUESTIONS, PASSAGES, REPORT = "questions.jsonl", "passages.jsonl", "report.json"

# What is being done, how much of it is done, and how much there is (None where nobody knows).
Progress = Callable[[str, int, int | None], None]


class BuildSettings(BaseModel):
    """Everything that decides what a build gives. Equal settings and sources, equal files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceSpec, ...] = Field(
        default=(SourceSpec(location="embedded"),), min_length=1
    )
    languages: tuple[Language, ...] = Field(default=("zh",), min_length=1)
    catalogue: tuple[Path, ...] = ()  # the user's own relations, beside the built-in ones
    builtin_catalogue: bool = True
    questions: QuestionSettings = QuestionSettings()
    passages: bool = True
    seed: int = 0
    max_questions: int | None = Field(default=None, ge=1)  # per language, chosen by hash


@dataclass(frozen=True)
class BuildReport:
    """Where the files are and what report.json says."""

    folder: Path
    counts: dict[str, Any]
    skipped: bool = False  # the folder already held exactly this build

    @property
    def questions(self) -> int:
        return int(self.counts["questions"])


def build(settings: BuildSettings, out: Path, progress: Progress | None = None) -> BuildReport:
    """Write questions.jsonl, passages.jsonl and report.json under ``out``; the manifest comes last.

    Does nothing where ``out`` holds the result of the same settings on the same files.
    """
    tell = progress or _silent
    catalogue_paths = [
        *(builtin_paths() if settings.builtin_catalogue else ()),
        *settings.catalogue,
    ]
    catalogue = Catalogue.load(catalogue_paths)
    key = digest([settings.model_dump(mode="json"), [_identity(p) for p in catalogue_paths],
                  [_identity(p) for s in settings.sources for p in _paths(s)],
                  importlib.metadata.version("pydantic")])  # fmt: skip
    manifest = read_manifest(out)
    if manifest is not None and manifest.get("key") == key:
        return BuildReport(out, manifest["counts"], skipped=True)
    graphs = []
    for number, source in enumerate(settings.sources):
        tell("read", number, len(settings.sources))
        name = source.name or Path(source.location).stem
        graphs.append(read_tables(_paths(source), catalogue, name, source.max_bad_share))
    results = [
        build_questions(one.graph, catalogue, language, settings.seed, settings.questions)
        for one in graphs
        for language in settings.languages
    ]
    tell("write", 0, None)
    count = write_jsonl(out / QUESTIONS, (q for result in results for q in result.questions))
    passages = 0
    if settings.passages:
        told = (
            passage
            for one in graphs
            for language in settings.languages
            for passage in build_passages(one.graph, catalogue, language, settings.seed)
        )
        passages = write_jsonl(out / PASSAGES, told)
    counts = {
        "questions": count,
        "passages": passages,
        "languages": [result.report.as_dict() for result in results],
        "sources": [one.report.as_dict() for one in graphs],
    }
    write_json(out / REPORT, counts)
    write_manifest(out, {"key": key, "settings": settings.model_dump(mode="json"),
                               "counts": counts})  # fmt: skip
    return BuildReport(out, counts)


def _silent(stage: str, done: int, total: int | None) -> None:
    """A Progress that nobody watches."""


def _paths(source: SourceSpec) -> list[Path]:
    if source.location == "embedded":
        return embedded_paths()
    path = Path(source.location)
    return sorted(path.glob("*.tsv")) if path.is_dir() else [path]


def _identity(path: Path) -> list[str]:
    return [path.name, sha256_file(path) if path.is_file() else "absent"]
