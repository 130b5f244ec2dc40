"""build: knowledge graphs in, a folder of questions and passages out.

sources ──read──► rows ──name──► relations, subjects ──clean──► values ──join──► objects
objects ──group, word, split──► questions.jsonl, passages.jsonl, report.json,
                                README.md (dataset card), browse.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kg_builder.asking import QuestionSettings
from kg_builder.browse import write_browse_page
from kg_builder.card import write_card
from kg_builder.files import (
    digest,
    read_jsonl,
    read_manifest,
    sha256_file,
    write_json,
    write_manifest,
)
from kg_builder.question import Question
from kg_builder.relation import Catalogue, builtin_paths
from kg_builder.settings import BuildSettings
from kg_builder.sources.detect import source_paths

__all__ = [
    "BuildReport",
    "BuildSettings",
    "QuestionSettings",
    "build",
    "built_questions",
]

REPORT = "report.json"
# Files larger than this are told apart by size and time of change, not by their bytes.
HASHED_BYTES = 256 << 20

# What is being done, how much of it is done, and how much there is (None where nobody knows).
Progress = Callable[[str, int, int | None], None]


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
    """Write questions, passages, report, card and page under ``out``; the manifest comes last.

    Does nothing where ``out`` holds the result of the same settings on the same files. A build that
    was killed goes on where it was, and gives the same bytes. Raises UserError for a source or a
    catalogue that cannot be read.
    """
    paths = [*settings.catalogue, *(builtin_paths() if settings.builtin_catalogue else ())]
    catalogue = Catalogue.load(paths)
    key = _key(settings, paths)
    manifest = read_manifest(out)
    if manifest is not None and manifest.get("key") == key:
        return BuildReport(out, manifest["counts"], skipped=True)
    # DuckDB and Arrow are wanted here only: whoever needs the settings alone does without them.
    from kg_builder.bulk.job import run_job

    counts = run_job(settings, catalogue, key, out, progress or _silent)
    write_json(out / REPORT, counts)
    write_card(out, settings, counts)
    write_browse_page(out)
    write_manifest(
        out, {"key": key, "settings": settings.model_dump(mode="json"), "counts": counts}
    )
    return BuildReport(out, counts)


def built_questions(settings: BuildSettings) -> list[Question]:
    """The questions of a build whose files nobody needs, in the order of the file."""
    with TemporaryDirectory() as folder:
        build(settings.model_copy(update={"passages": False}), Path(folder))
        return [
            Question.model_validate(one) for one in read_jsonl(Path(folder) / "questions.jsonl")
        ]


def _key(settings: BuildSettings, catalogue: Sequence[Path]) -> str:
    """Changes with everything that the result depends on: settings, catalogue, sources, rules."""
    data = Path(__file__).parent / "data"
    rules = [data / "cleaning.toml", data / "unasked.toml", data / "generic.toml"]
    used = settings.model_dump(mode="json", exclude={"memory", "threads"})
    read = [path for spec in settings.sources for path in source_paths(spec)]
    read += settings.documents
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
