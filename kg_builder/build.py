"""build: knowledge graphs in, a folder of questions and passages out.

sources ──read──► rows ──name──► relations, subjects ──clean──► values ──join──► objects
objects ──group, word, split──► questions.jsonl, passages.jsonl, report.json, README.md
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.asking import BuildResult, QuestionReport, QuestionSettings, build_questions
from kg_builder.bulk import export, facts, names
from kg_builder.bulk.export import Wording
from kg_builder.bulk.names import RelationPolicy, Unknown
from kg_builder.bulk.report import make_report
from kg_builder.bulk.rows import ingest
from kg_builder.bulk.store import Store
from kg_builder.files import (
    atomic_write,
    digest,
    read_manifest,
    sha256_file,
    write_json,
    write_manifest,
)
from kg_builder.question import Language
from kg_builder.relation import Catalogue, builtin_paths
from kg_builder.sources.detect import open_source, source_paths
from kg_builder.sources.spec import SourceSpec

__all__ = [
    "BuildReport",
    "BuildResult",
    "BuildSettings",
    "QuestionReport",
    "QuestionSettings",
    "build",
    "build_questions",
]

QUESTIONS, PASSAGES, REPORT, WORK = "questions.jsonl", "passages.jsonl", "report.json", ".work"
# Values of one part: what is grouped at once, in memory.
PART_VALUES = 1_000_000
# Files larger than this are told apart by size and time of change, not by their bytes.
HASHED_BYTES = 256 << 20

# What is being done, how much of it is done, and how much there is (None where nobody knows).
Progress = Callable[[str, int, int | None], None]


class BuildSettings(BaseModel):
    """Everything that decides what a build gives. Equal settings and sources, equal files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceSpec, ...] = Field(
        default=(SourceSpec(location="embedded"),), min_length=1
    )
    languages: tuple[Language, ...] = Field(default=("zh",), min_length=1)
    catalogue: tuple[Path, ...] = ()  # the user's own relations, before the built-in ones
    builtin_catalogue: bool = True
    unknown_relations: Unknown = "typed"  # ask what a catalogue lacks: where its name says what for
    strict_names: bool = True  # drop subjects like 王军 and 向阳村 where the source has no ids
    questions: QuestionSettings = QuestionSettings()
    passages: bool = True
    seed: int = 0
    max_questions: int | None = Field(default=None, ge=1)  # per language, chosen by hash
    memory: str = "1GB"  # of the database; the whole process takes a few hundred MB more
    threads: int = Field(default=0, ge=0)  # 0: one per core


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

    Does nothing where ``out`` holds the result of the same settings on the same files. A build that
    was killed goes on where it was, and gives the same bytes. Raises UserError for a source or a
    catalogue that cannot be read.
    """
    tell = progress or _silent
    paths = [*settings.catalogue, *(builtin_paths() if settings.builtin_catalogue else ())]
    catalogue = Catalogue.load(paths)
    key = _key(settings, paths)
    manifest = read_manifest(out)
    if manifest is not None and manifest.get("key") == key:
        return BuildReport(out, manifest["counts"], skipped=True)
    sources = [open_source(spec, catalogue) for spec in settings.sources]
    work = out / WORK
    with Store(work / "kg.duckdb", key, settings.memory, settings.threads) as store:
        ingest(store, sources, [spec.max_bad_share for spec in settings.sources], tell)
        parts = _prepare(store, settings, catalogue, tell)
        _export(store, settings, work, parts, ids=any(one.ids for one in sources), tell=tell)
        limits = {
            wording.language: export.limit_questions(store, wording)
            for wording in _wordings(settings)
        }
        tell("write", 0, None)
        _assemble(out / QUESTIONS, _part_paths(work, "questions", settings, parts), limits)
        if settings.passages:
            _assemble(out / PASSAGES, _part_paths(work, "passages", settings, parts), {})
        counts = make_report(store, settings.languages)
    write_json(out / REPORT, counts)
    write_manifest(
        out, {"key": key, "settings": settings.model_dump(mode="json"), "counts": counts}
    )
    shutil.rmtree(work, ignore_errors=True)
    return BuildReport(out, counts)


def _prepare(store: Store, settings: BuildSettings, catalogue: Catalogue, tell: Progress) -> int:
    """Everything up to the objects with their names; returns the number of parts."""
    policy = RelationPolicy(settings.unknown_relations, settings.questions.include_changing)
    shares, seed = settings.questions.shares, settings.seed

    def parts() -> int:
        return 1 + store.count("value") // PART_VALUES

    steps: list[tuple[str, Callable[[], object]]] = [
        ("relations", lambda: names.name_relations(store, catalogue, policy)),
        ("subjects", lambda: names.name_subjects(store, shares, seed, settings.strict_names)),
        ("aliases", lambda: names.name_aliases(store)),
        ("rows accounted for", lambda: facts.account_rows(store)),
        ("values", lambda: facts.take_values(store)),
        ("literals", lambda: facts.read_literals(store)),
        ("objects", lambda: facts.name_objects(store, parts())),
        ("values accounted for", lambda: facts.account_values(store)),
        ("leaks", lambda: facts.find_leaks(store)),
        ("popularity", lambda: facts.rate_subjects(store)),
        ("wordings", lambda: export.prepare_relations(store, settings.questions.held_out_share,
                                                      seed)),
    ]  # fmt: skip
    for done, (step, work) in enumerate(steps):
        tell(step, done, len(steps))
        store.once(step, lambda work=work: work() and None)
    return parts()


def _export(
    store: Store, settings: BuildSettings, work: Path, parts: int, *, ids: bool, tell: Progress
) -> None:
    for part in range(parts):
        tell("write parts", part, parts)

        def one_part(part: int = part) -> None:
            export.group_part(store, part)
            for wording in _wordings(settings):
                lang = wording.language
                export.write_questions(store, _part(work, "questions", lang, part), wording, ids)
                if settings.passages:
                    export.write_passages(store, _part(work, "passages", lang, part), wording)

        store.once(f"part {part}", one_part)


def _wordings(settings: BuildSettings) -> list[Wording]:
    return [
        Wording(language, settings.seed, settings.max_questions, settings.strict_names)
        for language in settings.languages
    ]


def _part(work: Path, what: str, language: Language, part: int) -> Path:
    return work / f"{what}-{language}-{part:05}.jsonl"


def _part_paths(
    work: Path, what: str, settings: BuildSettings, parts: int
) -> list[tuple[Language, Path]]:
    return [
        (language, _part(work, what, language, part))
        for language in settings.languages
        for part in range(parts)
    ]


def _assemble(
    path: Path, parts: Sequence[tuple[Language, Path]], limits: dict[Language, str | None]
) -> None:
    """One file of all parts. ``limits``: the greatest hash of a question id to keep."""
    with atomic_write(path) as stream:
        stream.flush()
        for language, part in parts:
            limit = limits.get(language)
            with part.open("rb") as source:
                if limit is None:
                    shutil.copyfileobj(source, stream.buffer, 8 << 20)  # type: ignore[attr-defined]
                    continue
                for line in source:
                    if json.loads(line)["id"].partition("-")[2] <= limit:
                        stream.buffer.write(line)  # type: ignore[attr-defined]


def _key(settings: BuildSettings, catalogue: Sequence[Path]) -> str:
    """Changes with everything that the result depends on: settings, catalogue, sources, rules."""
    data = Path(__file__).parent / "data"
    rules = [data / "cleaning.toml", data / "unasked.toml", data / "generic.toml"]
    used = settings.model_dump(mode="json", exclude={"memory", "threads"})
    read = [path for spec in settings.sources for path in source_paths(spec)]
    return digest([used, [_identity(path) for path in [*catalogue, *rules, *read]]])


def _identity(path: Path) -> list[str]:
    if not path.is_file():
        return [path.name, "absent"]
    stat = path.stat()
    if stat.st_size <= HASHED_BYTES:
        return [path.name, sha256_file(path)]
    return [path.name, str(stat.st_size), str(stat.st_mtime_ns)]


def _silent(stage: str, done: int, total: int | None) -> None:
    """A Progress that nobody watches."""
