"""Neo4j exports as CSV: those of apoc.export.csv, and those that neo4j-admin imports.

apoc         nodes and relationships in one file: _id, _labels, …, _start, _end, _type
neo4j-admin  nodes (:ID, name, :LABEL) and relationships (:START_ID, :END_ID, :TYPE), a file each
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kg_builder.literals import HAN
from kg_builder.sources.layout import ENTITY, sample_rows
from kg_builder.sources.opened import open_bytes, text_lines
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import LABEL, Row, in_batches, row
from kg_builder.sources.spec import SourceSpec

CELLS, NEITHER = "wrong number of cells", "neither a node nor a relationship"
EDGE_PROPERTY = "property of a relationship left out"
# What a column is, by the form that either export gives its name.
ROLES = {
    "id": ("_id", ":id"),
    "labels": ("_labels", ":label"),
    "start": ("_start", ":start_id"),
    "end": ("_end", ":end_id"),
    "type": ("_type", ":type"),
}


@dataclass(frozen=True)
class _Columns:
    roles: dict[str, int]
    properties: dict[int, str]
    name: int | None  # the property that names a node

    @classmethod
    def of(cls, header: list[str]) -> _Columns:
        roles: dict[str, int] = {}
        properties: dict[int, str] = {}
        for place, cell in enumerate(header):
            bare, _, kind = cell.partition(":")
            kind = kind.partition("(")[0].lower()
            role = next(
                (
                    role
                    for role, names in ROLES.items()
                    if cell.lower() in names or f":{kind}" in names
                ),
                None,
            )
            if role is not None:
                roles[role] = place
            elif bare:
                properties[place] = bare
        named = {bare.lower(): place for place, bare in properties.items()}
        name = next((named[one] for one in ENTITY if one in named), None)
        return cls(roles, properties, name)


class Neo4jExport:
    """Nodes, relationships, or both, of one CSV file."""

    ids = True
    trusted = False

    def __init__(self, spec: SourceSpec) -> None:
        self.path = Path(spec.location)
        self.name = spec.name or self.path.name
        self._spec = spec

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        yield from in_batches(self._rows(report))

    def _rows(self, report: ReadReport) -> Iterator[Row]:
        with open_bytes(self.path) as stream:
            lines = text_lines(stream, report)
            first = next(lines, None)
            if first is None:
                raise SourceError(f"{self.path}: the file is empty.")
            delimiter, (header,) = sample_rows(first[1], self._spec)
            columns = _Columns.of([cell.strip() for cell in header])
            report.rows -= 1
            for cells in csv.reader((text + "\n" for _, text in lines), delimiter=delimiter):
                if len(cells) != len(header):
                    report.malformed(CELLS, delimiter.join(cells))
                    continue
                yield from _record(columns, [cell.strip() for cell in cells], report)
                if self._spec.limit is not None and report.rows >= self._spec.limit:
                    return


def _record(columns: _Columns, cells: list[str], report: ReadReport) -> Iterator[Row]:
    told = {role: cells[place] for role, place in columns.roles.items() if cells[place]}
    if "start" in told and "end" in told and "type" in told:
        yield row(told["start"], told["type"], told["end"], ref=True)
        for place, bare in columns.properties.items():
            if cells[place]:
                report.notes.add(EDGE_PROPERTY, f"{told['type']}: {bare} = {cells[place]}")
        return
    if "id" not in told:
        report.malformed(NEITHER, ",".join(cells))
        return
    identity = told["id"]
    if columns.name is not None and (name := cells[columns.name]):
        yield row(identity, LABEL, "", zh=name, en=None if HAN.search(name) else name)
    for place, bare in columns.properties.items():
        if place != columns.name and cells[place]:
            yield row(identity, bare, cells[place])
