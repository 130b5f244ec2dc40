"""Wide tables as people keep them: a row an entity, a column a relation, the cell its value.

Unlike our own tables (tables.py) they were not written for us: their cells are cleaned like those of
any other source, and a column may occur twice.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from kg_builder.literals import HAN
from kg_builder.relation import Catalogue
from kg_builder.sources.layout import entity_column, sample_rows
from kg_builder.sources.opened import open_bytes, text_lines
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import LABEL, Row, in_batches, row
from kg_builder.sources.spec import SourceSpec

CELLS, NO_NAME = "wrong number of cells", "a row without a name"
ENGLISH = ("en", "english", "英文名", "英文")
ALIASES = "aliases"


class WideTable:
    """A delimited file of which each row is an entity."""

    ids = False
    trusted = False

    def __init__(self, spec: SourceSpec, catalogue: Catalogue) -> None:
        self.path = Path(spec.location)
        self.name = spec.name or self.path.name
        self._spec, self._catalogue = spec, catalogue

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        yield from in_batches(self._rows(report))

    def _rows(self, report: ReadReport) -> Iterator[Row]:
        header: list[str] = []
        entity = 0
        for number, cells in self._records(report):
            if not header:
                header = cells
                entity = entity_column([header], self._catalogue) or 0
                if not any(cell for place, cell in enumerate(header) if place != entity):
                    raise SourceError(f"{self.path}: the header names no relation.")
                report.rows -= 1
                continue
            if len(cells) != len(header):
                report.malformed(
                    CELLS, f"line {number}: {len(cells)} cells, {len(header)} in the header"
                )
                continue
            if not cells[entity]:
                report.malformed(NO_NAME, f"line {number}")
                continue
            yield from _entity_rows(cells[entity], header, cells, entity)
            if self._spec.limit is not None and report.rows >= self._spec.limit:
                return

    def _records(self, report: ReadReport) -> Iterator[tuple[int, list[str]]]:
        """Numbered records; a quoted cell may run over several lines."""
        with open_bytes(self.path) as stream:
            lines = text_lines(stream, report)
            numbered = next(lines, None)
            if numbered is None:
                raise SourceError(f"{self.path}: the file is empty.")
            delimiter, _ = sample_rows(numbered[1], self._spec)
            last = numbered[0]

            def texts() -> Iterator[str]:
                nonlocal last
                yield numbered[1] + "\n"
                for number, text in lines:
                    last = number
                    yield text + "\n"

            if len(delimiter) > 1:
                for text in texts():
                    yield last, [cell.strip() for cell in text.split(delimiter)]
                return
            for cells in csv.reader(texts(), delimiter=delimiter):
                yield last, [cell.strip() for cell in cells]


def _entity_rows(name: str, header: list[str], cells: list[str], entity: int) -> Iterator[Row]:
    for place, (column, cell) in enumerate(zip(header, cells, strict=True)):
        if place == entity or not column or not cell:
            continue
        if column.lower() in ENGLISH and not HAN.search(cell):
            yield row(name, LABEL, "", en=cell)
        else:
            yield row(name, "别名" if column.lower() == ALIASES else column, cell)
