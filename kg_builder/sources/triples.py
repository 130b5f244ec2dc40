"""Delimited triples: CSV, TSV, ``|||``; the layouts of OwnThink and CN-DBpedia among them.

OwnThink      实体,属性,值 with quotes; 李娜[网球运动员] tells namesakes apart
CN-DBpedia    subject <tab> relation <tab> object; a mention2entity file gives names
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from kg_builder.relation import Catalogue
from kg_builder.sources.layout import Layout, find_layout
from kg_builder.sources.opened import BOM, line_chunks, open_bytes
from kg_builder.sources.report import ReadReport
from kg_builder.sources.rows import ALIAS, SCHEMA, batch_of, row
from kg_builder.sources.spec import SourceSpec

UNIT_SEPARATOR = "\x1f"  # ASCII's, which no text has
SAMPLE = 40_000  # bytes from which the layout is found
MAX_QUOTED_LINES = 20  # a quoted value may run over so many lines; beyond, its quote is unclosed
_EMPTY = pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in SCHEMA], schema=SCHEMA)
CELLS, EMPTY_CELL, UNCLOSED = "wrong number of cells", "empty cell", "unclosed or stray quote"


class Triples:
    """A file of delimited triples."""

    ids = False
    trusted = False

    def __init__(self, spec: SourceSpec, catalogue: Catalogue | None = None) -> None:
        self.path = Path(spec.location)
        self.name = spec.name or self.path.name
        self._spec, self._catalogue = spec, catalogue

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        with open_bytes(self.path) as stream:
            layout, carry, given = None, b"", 0
            for chunk in line_chunks(stream, report):
                text = carry + _clean(chunk, report)
                carry = b""
                if layout is None:
                    sample = text[:SAMPLE].decode("utf-8", "ignore")
                    layout = find_layout(sample, self._spec, self._catalogue)
                    if layout.header:
                        text = text.partition(b"\n")[2]
                if layout.lone and b'"' in text:
                    batch, carry = _quoted_rows(text, layout, report)
                else:
                    batch = _plain_rows(text, layout, report)
                report.check()
                if self._spec.limit is not None:
                    batch = batch.slice(0, self._spec.limit - given)
                    given += batch.num_rows
                if batch.num_rows:
                    yield batch
                if given and given == self._spec.limit:
                    return
            if carry and layout is not None:
                batch, _ = _quoted_rows(carry, layout, report, last=True)
                if batch.num_rows:
                    yield batch


def _clean(chunk: bytes, report: ReadReport) -> bytes:
    """The chunk with plain ends of lines. Lines that are not UTF-8 or hold NUL are counted and left out."""
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if b"\x00" not in chunk:
            return chunk.replace(b"\r\n", b"\n") if b"\r" in chunk else chunk
    kept = []
    for raw in chunk.split(b"\n"):
        line = raw.removesuffix(b"\r")
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            report.rows += 1
            report.malformed("not UTF-8", raw[:80].decode("utf-8", "replace"))
            continue
        if b"\x00" in line:
            report.rows += 1
            report.malformed("NUL character", line.decode("utf-8"))
            continue
        kept.append(line)
    return b"\n".join(kept)


def _plain_rows(text: bytes, layout: Layout, report: ReadReport) -> pa.RecordBatch:
    """Lines without quotes, cut by Arrow all at once."""
    delimiter = layout.delimiter
    if not layout.lone:
        delimiter = UNIT_SEPARATOR
        text = text.replace(delimiter.encode(), b" ")
        text = text.replace(layout.delimiter.encode(), delimiter.encode())
    if b"\r" in text:
        text = text.replace(b"\r", b" ")  # those at the ends of lines are gone already
    if not text or text.isspace():
        return _EMPTY
    if text.startswith(BOM):  # Arrow would take it for a file's own, and fail if there is no more
        text = b"\n" + text

    def skipped(line: arrow_csv.InvalidRow) -> str:
        if line.text.strip():
            report.rows += 1
            report.malformed(CELLS, line.text.replace(delimiter, layout.delimiter))
        return "skip"

    names = [str(place) for place in range(layout.columns)]
    table = arrow_csv.read_csv(
        pa.py_buffer(text),
        arrow_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names),
        arrow_csv.ParseOptions(delimiter=delimiter, quote_char=False, invalid_row_handler=skipped),
        arrow_csv.ConvertOptions(check_utf8=False, column_types=dict.fromkeys(names, pa.string())),
    )
    report.rows += table.num_rows
    if not table.num_rows:
        return _EMPTY
    (cells,) = table.combine_chunks().to_batches()
    columns = [pc.utf8_trim_whitespace(cells[place]) for place in (layout.s, layout.p, layout.o)]
    return _batch(columns, layout, report)


def _quoted_rows(
    text: bytes, layout: Layout, report: ReadReport, *, last: bool = False
) -> tuple[pa.RecordBatch, bytes]:
    """Lines of which some have quotes, and the unfinished record at the end of the text."""
    plain: list[bytes] = []
    found: list[list[str]] = []
    place = 0
    while (quote := text.find(b'"', place)) >= 0:
        start = text.rfind(b"\n", place, quote) + 1 or place
        if start > place:
            plain.append(text[place : start - 1])
        cells, end, taken = None, start - 1, 0
        while cells is None and taken < MAX_QUOTED_LINES and end < len(text):
            line = end + 1
            end, taken = _line_end(text, line), taken + 1
            # Nothing but a quote closes what an earlier line left open.
            if text.find(b'"', line, end) >= 0:
                cells = _cells(text[start:end].decode("utf-8"), layout)
        if cells is None and taken < MAX_QUOTED_LINES and not last:
            # It may be closed in the next chunk.
            return _joined(plain, found, layout, report), text[start:]
        report.rows += 1
        if cells is None:
            end = _line_end(text, start)
            report.malformed(UNCLOSED, text[start:end].decode("utf-8"))
        elif len(cells) != layout.columns:
            report.malformed(CELLS, text[start:end].decode("utf-8"))
        else:
            found.append(cells)
        place = end + 1
    plain.append(text[place:])
    return _joined(plain, found, layout, report), b""


def _line_end(text: bytes, start: int) -> int:
    end = text.find(b"\n", start)
    return len(text) if end < 0 else end


def _cells(record: str, layout: Layout) -> list[str] | None:
    """The cells of one quoted record; None where its quotes do not close."""
    quote = record.find('"')
    if (
        record[quote - 1 : quote] == layout.delimiter
        and record.find('"', quote + 1) == len(record) - 1
    ):  # most have their last cell quoted, and nothing else
        return [*record[: quote - 1].split(layout.delimiter), record[quote + 1 : -1]]
    try:
        records = list(csv.reader([record], delimiter=layout.delimiter, strict=True))
    except csv.Error:
        return None
    return records[0] if len(records) == 1 else None


def _joined(
    plain: list[bytes], found: list[list[str]], layout: Layout, report: ReadReport
) -> pa.RecordBatch:
    quick = _plain_rows(b"\n".join(plain), layout, report)
    if not found:
        return quick
    columns = [
        pc.utf8_trim_whitespace(pa.array([cells[place] for cells in found], pa.string()))
        for place in (layout.s, layout.p, layout.o)
    ]
    slow = _batch(columns, layout, report)
    return pa.concat_batches([quick, slow])


def _batch(columns: list[pa.Array], layout: Layout, report: ReadReport) -> pa.RecordBatch:
    s, p, o = columns
    if layout.alias:
        rows = [
            row(entity, ALIAS, "", zh=name)
            for entity, name in zip(s.to_pylist(), o.to_pylist(), strict=True)
            if entity and name
        ]
        return batch_of(rows) if rows else _EMPTY
    full = pc.and_(pc.and_(pc.not_equal(s, ""), pc.not_equal(p, "")), pc.not_equal(o, ""))
    if empty := len(s) - (pc.sum(full).as_py() or 0):
        report.malformed(EMPTY_CELL, count=empty)
        s, p, o = s.filter(full), p.filter(full), o.filter(full)
    nothing = pa.nulls(len(s), pa.string())
    refs, places = pa.repeat(False, len(s)), pa.repeat(pa.scalar(0, pa.int32()), len(s))
    return pa.RecordBatch.from_arrays([s, p, o, refs, nothing, nothing, places], schema=SCHEMA)
