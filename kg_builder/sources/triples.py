"""Delimited triples: CSV, TSV, ``|||``; the layouts of OwnThink and CN-DBpedia among them.

OwnThink      实体,属性,值 with quotes; 李娜[网球运动员] tells namesakes apart
CN-DBpedia    subject <tab> relation <tab> object; a mention2entity file gives names
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from kg_builder.sources.opened import BOM, line_chunks, open_bytes
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import ALIAS, SCHEMA, batch_of, row
from kg_builder.sources.spec import SourceSpec

# What headers call the three columns, lower-case.
HEADERS = {
    "s": ("s", "实体", "主体", "主语", "头实体", "subject", "subj", "entity", "head", "h", "sub"),
    "p": ("p", "属性", "关系", "谓语", "谓词", "predicate", "relation", "property", "rel", "r", "pred",
          "attribute"),
    "o": ("o", "值", "客体", "宾语", "尾实体", "object", "obj", "value", "tail", "t"),
}  # fmt: skip
MENTIONS = ("mention2entity", "m2e")
DELIMITERS = ("|||", "\t", ",", ";")
UNIT_SEPARATOR = "\x1f"  # ASCII's, which no text has
SAMPLE = 40_000  # bytes from which the layout is found
MAX_QUOTED_LINES = 20  # a quoted value may run over so many lines; beyond, its quote is unclosed
_EMPTY = pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in SCHEMA], schema=SCHEMA)
CELLS, EMPTY_CELL, UNCLOSED = "wrong number of cells", "empty cell", "unclosed or stray quote"


@dataclass(frozen=True)
class Layout:
    """Which column is what. ``alias``: a file of two columns, a name and the entity it names."""

    delimiter: str
    columns: int
    s: int = 0
    p: int = 1
    o: int = 2
    header: bool = False
    alias: bool = False

    @property
    def lone(self) -> bool:
        """Whether the delimiter is a single byte, which is what Arrow and quotes go with."""
        return len(self.delimiter.encode()) == 1


class Triples:
    """A file of delimited triples."""

    ids = False
    trusted = False

    def __init__(self, spec: SourceSpec) -> None:
        self.path = Path(spec.location)
        self.name = spec.name or self.path.name
        self._spec = spec

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        with open_bytes(self.path) as stream:
            layout, carry, given = None, b"", 0
            for chunk in line_chunks(stream, report):
                text = carry + _clean(chunk, report)
                carry = b""
                if layout is None:
                    layout = find_layout(text[:SAMPLE].decode("utf-8", "ignore"), self._spec)
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


def find_layout(sample: str, spec: SourceSpec) -> Layout:
    """The layout of a file from its first lines and from what the user said."""
    lines = [line.rstrip("\r") for line in sample.split("\n")[:50] if line.strip()]
    if not lines:
        raise SourceError(f"{spec.location}: the file is empty.")
    delimiter = spec.delimiter or find_delimiter(lines)
    if delimiter is None:
        raise SourceError(
            f"{spec.location}: no delimiter found in {lines[0][:60]!r}. Name it (delimiter = …)."
        )
    first = [cell.strip().strip('"').lower() for cell in lines[0].split(delimiter)]
    if not spec.fields:
        by_name = {
            key: next((i for i, cell in enumerate(first) if cell in names), None)
            for key, names in HEADERS.items()
        }
        if None not in by_name.values():
            places = {key: place for key, place in by_name.items() if place is not None}
            return Layout(delimiter, len(first), places["s"], places["p"], places["o"], header=True)
        if len(first) == 2 and any(word in Path(spec.location).name for word in MENTIONS):
            return Layout(delimiter, 2, s=1, o=0, alias=True)
        return Layout(delimiter, 3)
    places, header = {}, False
    for key, place in spec.fields.items():
        if isinstance(place, str):
            if place.lower() not in first:
                raise SourceError(
                    f"{spec.location}: no column {place!r} in the header; it has {', '.join(first)}."
                )
            place, header = first.index(place.lower()), True
        places[key] = place
    if missing := {"s", "p", "o"} - set(places):
        raise SourceError(f"{spec.location}: fields must name columns for {sorted(missing)} too.")
    return Layout(
        delimiter, max(len(first), 1 + max(places.values())), places["s"], places["p"], places["o"],
        header,
    )  # fmt: skip


def find_delimiter(lines: list[str]) -> str | None:
    """The delimiter that cuts most of the lines into the same number of cells, two or more."""
    best, most = None, 0.0
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count)
        share = counts.count(usual) / len(counts)
        if usual >= 1 and share > most + 0.2:
            best, most = delimiter, share
    return best


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
