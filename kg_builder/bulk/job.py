"""One build job: the steps from the sources to the files, each done once however often it is begun."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kg_builder.bulk import entities, facts, names, passages, questions, relations, templates
from kg_builder.bulk.parts import parts_of
from kg_builder.bulk.report import make_report
from kg_builder.bulk.rows import ingest
from kg_builder.bulk.store import Store
from kg_builder.bulk.templates import Wording
from kg_builder.documents import linked_passages
from kg_builder.files import atomic_write, write_jsonl
from kg_builder.question import Language
from kg_builder.relation import Catalogue
from kg_builder.settings import ENCYCLOPEDIC, BuildSettings
from kg_builder.sources.detect import open_source

QUESTIONS, PASSAGES, WORK = "questions.jsonl", "passages.jsonl", ".work"

Progress = Callable[[str, int, int | None], None]


def run_job(
    settings: BuildSettings, catalogue: Catalogue, key: str, out: Path, tell: Progress
) -> dict[str, Any]:
    """Write the questions and passages under ``out``; returns the report."""
    sources = [open_source(spec, catalogue) for spec in settings.sources]
    work = out / WORK
    with Store(work / "kg.duckdb", key, settings.memory, settings.threads) as store:
        ingest(store, sources, [spec.max_bad_share for spec in settings.sources], tell)
        if settings.strict_names is None:
            (subjects,) = store.one("SELECT count(DISTINCT s) FROM raw")
            settings = settings.model_copy(update={"strict_names": subjects >= ENCYCLOPEDIC})
        parts = _prepare(store, settings, catalogue, tell)
        _export(store, settings, work, parts, ids=any(one.ids for one in sources), tell=tell)
        tell("write", 0, None)
        _assemble(out / QUESTIONS, _files(work, "questions", settings))
        if settings.passages or settings.documents:
            written = _files(work, "passages", settings) if settings.passages else []
            _assemble(out / PASSAGES, [*written, *_documents(store, settings, work)])
        counts = make_report(store, settings.languages)
    shutil.rmtree(work, ignore_errors=True)
    return counts


def _documents(store: Store, settings: BuildSettings, work: Path) -> list[tuple[Language, Path]]:
    """Passages of the user's own texts, linked to the entities that they name."""
    if not settings.documents:
        return []
    path, language = work / "documents.jsonl", settings.languages[0]
    known = dict(store.rows(passages.ENTITY_NAMES))
    write_jsonl(path, linked_passages(settings.documents, known, language))
    return [(language, path)]


def _prepare(
    store: Store, settings: BuildSettings, catalogue: Catalogue, tell: Progress
) -> list[range]:
    """Everything up to the objects with their names; returns the parts to export."""
    own = Catalogue.load(settings.catalogue)
    # Where names are all there is, and many, a relation that few are told of is noise.
    open_graph = bool(settings.strict_names) and settings.unknown_relations == "typed"
    open_graph = open_graph and not store.one("SELECT bool_or(ids OR trusted) FROM source")[0]
    policy = relations.RelationPolicy(
        settings.unknown_relations,
        settings.questions.include_changing,
        relations.FEWEST_ROWS if open_graph else 1,
        frozenset(relation.id for relation in own),
    )
    shares, seed = settings.questions.shares, settings.seed

    steps: list[tuple[str, Callable[[], object]]] = [
        ("relations", lambda: relations.name_relations(store, catalogue, policy)),
        ("subjects", lambda: names.name_subjects(store, shares, seed, bool(settings.strict_names))),
        ("aliases", lambda: names.name_aliases(store)),
        ("rows accounted for", lambda: facts.account_rows(store)),
        ("values", lambda: facts.take_values(store)),
        ("entities", lambda: entities.unite_entities(store, shares, seed)),
        ("objects", lambda: facts.name_objects(store)),
        ("literals", lambda: facts.add_literals(store)),
        ("values accounted for", lambda: facts.account_values(store)),
        ("leaks", lambda: entities.find_leaks(store)),
        ("kinds of subject", lambda: facts.find_mixed(store)),
        ("namesakes", lambda: facts.find_namesakes(store)),
        ("popularity", lambda: facts.rate_subjects(store)),
        ("wordings", lambda: templates.prepare_relations(store, settings.languages,
                                                      settings.questions.held_out_share, seed)),
    ]  # fmt: skip
    for done, (step, work) in enumerate(steps):
        tell(step, done, len(steps))
        store.once(step, work)
    return parts_of(store)


def _export(
    store: Store,
    settings: BuildSettings,
    work: Path,
    parts: Sequence[range],
    *,
    ids: bool,
    tell: Progress,
) -> None:
    wordings = _wordings(settings)
    for wording in wordings:
        store.once(f"askable {wording.language}",
                   partial(questions.create_askable, store, wording.language))  # fmt: skip
    for place, part in enumerate(parts):
        tell("judge parts", place, len(parts))

        def judge_part(part: range = part) -> None:
            for wording in wordings:
                questions.collect_questions(store, part, wording, ids)
                if settings.passages:
                    path = _file(work, "passages", wording.language)
                    passages.write_passages(store, part, path, wording)

        store.once(f"part {place}", judge_part)
    for wording in wordings:
        store.once(f"choose {wording.language}",
                   partial(questions.choose_questions, store, wording, settings.questions))  # fmt: skip
    for place, part in enumerate(parts):
        tell("write parts", place, len(parts))

        def write_part(part: range = part) -> None:
            for wording in wordings:
                path = _file(work, "questions", wording.language)
                questions.write_questions(store, part, path, wording)

        store.once(f"written {place}", write_part)


def _wordings(settings: BuildSettings) -> list[Wording]:
    return [
        Wording(language, settings.seed, settings.max_questions, bool(settings.strict_names))
        for language in settings.languages
    ]


def _file(work: Path, what: str, language: Language) -> Path:
    return work / f"{what}-{language}.jsonl"


def _files(work: Path, what: str, settings: BuildSettings) -> list[tuple[Language, Path]]:
    return [(language, _file(work, what, language)) for language in settings.languages]


def _assemble(path: Path, parts: Sequence[tuple[Language, Path]]) -> None:
    """One file of the languages'."""
    if len(parts) == 1 and _linked(parts[0][1], path):
        return
    with atomic_write(path) as stream:
        stream.flush()
        for _, part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, stream.buffer, 8 << 20)  # type: ignore[attr-defined]


def _linked(part: Path, path: Path) -> bool:
    """The only part becomes the file itself where the disk allows it: gigabytes are not copied."""
    aside = path.with_name(f".{path.name}.link")
    aside.unlink(missing_ok=True)
    try:
        # A link, not a move: a job killed after this begins again with the part where it was.
        aside.hardlink_to(part)
    except OSError:
        return False
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)
    return True
