"""Our own wide tables: one row an entity, one column a relation. See kg_builder/data/README.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from kg_builder.fact import Entity, Fact, Object
from kg_builder.graph import Graph
from kg_builder.literals import HAN, translate_literal
from kg_builder.question import Language
from kg_builder.relation import Catalogue, Relation
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import ALIAS, LABEL, POPULARITY, Row, in_batches, row

FIXED_COLUMNS = ("name", "en", "aliases", "tier")
TIERS = range(1, 6)


@dataclass
class TableGraph:
    """A graph with the account of how it was read."""

    graph: Graph
    report: ReadReport


class Tables:
    """Wide tables as a source of rows. Written by hand, they are taken as they are."""

    ids = False
    trusted = True

    def __init__(self, paths: Sequence[Path], catalogue: Catalogue, name: str) -> None:
        self.name = name
        self._paths = paths
        self._catalogue = catalogue

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        read = read_tables(self._paths, self._catalogue, self.name, report.max_bad_share)
        report.rows, report.bad, report.notes = (
            read.report.rows,
            read.report.bad,
            read.report.notes,
        )
        yield from in_batches(graph_rows(read.graph))


def graph_rows(graph: Graph) -> Iterator[Row]:
    """A graph in memory as rows."""
    for entity in graph.entities.values():
        for language, label in entity.labels.items():
            yield (
                row(entity.id, LABEL, "", zh=label)
                if language == "zh"
                else row(entity.id, LABEL, "", en=label)
            )
        for language, aliases in entity.aliases.items():
            for place, alias in enumerate(aliases):
                zh, en = (alias, None) if language == "zh" else (None, alias)
                yield row(entity.id, ALIAS, "", zh=zh, en=en, n=place)
        if entity.popularity is not None:
            yield row(entity.id, POPULARITY, str(entity.popularity))
    for fact in graph.facts:
        for place, one in enumerate(fact.objects):
            yield row(
                fact.subject_id,
                fact.relation_id,
                one.id,
                ref=one.id in graph.entities,
                zh=one.labels.get("zh"),
                en=one.labels.get("en"),
                n=place,
            )


@dataclass
class _Row:
    """One well-formed row: ``place`` is file and line, for messages."""

    place: str
    name: str
    en: str
    aliases: tuple[str, ...]
    tier: int | None
    cells: list[tuple[str, tuple[str, ...]]]


@dataclass
class _Draft:
    """An entity while its rows are being merged."""

    name: str
    place: str
    en: str = ""
    aliases: dict[str, None] = field(default_factory=dict)
    tier: int | None = None


def read_tables(
    paths: Sequence[Path],
    catalogue: Catalogue,
    name: str = "tables",
    max_bad_share: float = 0.05,
) -> TableGraph:
    """Read wide tables into a graph. One name is one entity over all tables: its rows are merged.

    Columns that the catalogue does not know get a generic relation and a note in the report.
    Raises SourceError for a missing file or a header that cannot be right, TooManyBadRows where
    more than ``max_bad_share`` of the rows are malformed.
    """
    report = ReadReport(name, max_bad_share)
    drafts: dict[str, _Draft] = {}
    values: dict[tuple[str, str], dict[str, None]] = {}
    relations: dict[str, Relation] = {}
    for path in paths:
        for line in _rows(path, report, catalogue, relations):
            _merge(line, drafts, report)
            for column, objects in line.cells:
                held = values.setdefault((line.name, relations[column].id), {})
                for text in objects:
                    if text in held:
                        report.notes.add("duplicate fact merged", f"{line.place}: {column}={text}")
                    held[text] = None
    report.check(final=True)
    entities = {key: _entity(draft) for key, draft in drafts.items()}
    lookup = _lookup(entities)
    by_id = {relation.id: relation for relation in relations.values()}
    facts = (
        Fact(
            subject_id=subject,
            relation_id=relation_id,
            objects=tuple(_object(text, lookup, by_id[relation_id]) for text in objects),
            source=name,
        )
        for (subject, relation_id), objects in values.items()
    )
    return TableGraph(Graph(entities.values(), facts, name), report)


def _rows(
    path: Path, report: ReadReport, catalogue: Catalogue, relations: dict[str, Relation]
) -> Iterator[_Row]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}. Check the path.") from error
    header: list[str] | None = None
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        raw = raw.removesuffix(b"\r")
        if not raw.strip() or raw.startswith(b"#"):
            continue
        place = f"{path.name}, row {number}"
        try:
            cells = [cell.strip() for cell in raw.decode("utf-8").split("\t")]
        except UnicodeDecodeError as error:
            if header is None:
                raise SourceError(f"{place}: the header is not UTF-8 ({error.reason}).") from error
            report.rows += 1
            report.malformed("not UTF-8", f"{place}, byte {error.start + 1}")
            continue
        if header is None:
            header = _header(cells, place, report, catalogue, relations)
            continue
        report.rows += 1
        row = _row(cells, header, place, report)
        if row is not None:
            yield row
        report.check()
    if header is None:
        raise SourceError(f"{path}: the table has no header. Its first line must name the columns.")


def _header(
    cells: list[str],
    place: str,
    report: ReadReport,
    catalogue: Catalogue,
    relations: dict[str, Relation],
) -> list[str]:
    if "name" not in cells:
        raise SourceError(f"{place}: the header has no column 'name'; it has {', '.join(cells)}.")
    for column in cells:
        if not column:
            raise SourceError(f"{place}: column {cells.index(column) + 1} of the header is empty.")
        if cells.count(column) > 1:
            raise SourceError(f"{place}: column {column!r} occurs twice. Name each column once.")
        if column in FIXED_COLUMNS:
            continue
        relation = catalogue.resolve(column)
        if relation.generic:
            report.notes.add(
                "column not in the catalogue: worded generically", f"{place}: {column}"
            )
        relations[column] = relation
    return cells


def _row(cells: list[str], header: list[str], place: str, report: ReadReport) -> _Row | None:
    if len(cells) != len(header):
        report.malformed(
            "wrong number of cells", f"{place}: {len(cells)} cells, {len(header)} columns"
        )
        return None
    by_column = dict(zip(header, cells, strict=True))
    if not by_column["name"]:
        report.malformed("empty name", f"{place}, column name")
        return None
    if "\x00" in "".join(cells):
        report.malformed("NUL character", place)
        return None
    tier_text = by_column.get("tier", "")
    if tier_text and (
        not tier_text.isascii() or not tier_text.isdigit() or int(tier_text) not in TIERS
    ):
        report.malformed("tier is not 1 to 5", f"{place}, column tier: {tier_text!r}")
        return None
    objects = [
        (column, split_cell(by_column[column]))
        for column in header
        if column not in FIXED_COLUMNS and by_column[column]
    ]
    return _Row(
        place=place,
        name=by_column["name"],
        en=by_column.get("en", ""),
        aliases=split_cell(by_column.get("aliases", "")),
        tier=int(tier_text) if tier_text else None,
        cells=objects,
    )


def _merge(row: _Row, drafts: dict[str, _Draft], report: ReadReport) -> None:
    draft = drafts.setdefault(row.name, _Draft(row.name, row.place))
    for kind, held, found in (("en", draft.en, row.en), ("tier", draft.tier, row.tier)):
        if held and found and held != found:
            report.notes.add(
                f"{kind} differs between rows: the first is kept",
                f"{row.name}: {held} ({draft.place}), {found} ({row.place})",
            )
    draft.en = draft.en or row.en
    draft.tier = draft.tier or row.tier
    draft.aliases.update(dict.fromkeys(row.aliases))


def _entity(draft: _Draft) -> Entity:
    labels: dict[Language, str] = {"zh": draft.name}
    if draft.en:
        labels["en"] = draft.en
    aliases: dict[Language, list[str]] = {"zh": [], "en": []}
    for alias in draft.aliases:
        if alias not in labels.values():
            aliases["zh" if HAN.search(alias) else "en"].append(alias)
    return Entity(
        id=draft.name,
        labels=labels,
        aliases={language: tuple(found) for language, found in aliases.items() if found},
        popularity=None if draft.tier is None else float(TIERS.stop - draft.tier),
    )


def _lookup(entities: dict[str, Entity]) -> dict[str, Entity]:
    """Entities by name, and by those aliases that only one of them bears."""
    found: dict[str, Entity] = {}
    claims: dict[str, set[str]] = {}
    for entity in entities.values():
        for alias in entity.aliases.get("zh", ()):
            claims.setdefault(alias, set()).add(entity.id)
            found[alias] = entity
    for alias, claimants in claims.items():
        if len(claimants) > 1:
            del found[alias]
    return found | entities


def _object(text: str, lookup: dict[str, Entity], relation: Relation) -> Object:
    entity = lookup.get(text)
    if entity is None or relation.answer in ("date", "number"):
        labels: dict[Language, str] = {"zh": text}
        english = translate_literal(text, relation.answer)
        if english is not None:
            labels["en"] = english
        return Object(id=text, labels=labels)
    aliases = dict(entity.aliases)
    labels = dict(entity.labels)
    if text != entity.id:  # written by an alias: keep the author's wording as the canonical one
        aliases["zh"] = (entity.labels["zh"], *(a for a in aliases["zh"] if a != text))
        labels["zh"] = text
    return Object(id=entity.id, labels=labels, aliases=aliases)


def split_cell(cell: str) -> tuple[str, ...]:
    """The values of a cell, without empty ones and repetitions."""
    return tuple(dict.fromkeys(part.strip() for part in cell.split("|") if part.strip()))
