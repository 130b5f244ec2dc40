"""Rows: the one shape in which every source hands over what it read.

A row says that subject ``s`` has ``o`` under ``p``. Where the source knows identifiers, ``s`` is
one, and ``ref`` says that ``o`` is one too. ``zh`` and ``en`` are the object's names where the
source gives them in a known language; ``n`` is the place among the values of one cell. Rows under a
reserved ``p`` tell about ``s`` itself:

    LABEL        its name, in ``zh`` or ``en``
    ALIAS        another name, in ``zh`` or ``en``
    DESCRIPTION  what tells it from its namesakes, in ``zh`` or ``en``
    POPULARITY   a number in ``o``; larger is better known
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa

from kg_builder.sources.report import ReadReport

LABEL, ALIAS, DESCRIPTION, POPULARITY = "@label", "@alias", "@description", "@popularity"

SCHEMA = pa.schema(
    [
        ("s", pa.string()),
        ("p", pa.string()),
        ("o", pa.string()),
        ("ref", pa.bool_()),
        ("zh", pa.string()),
        ("en", pa.string()),
        ("n", pa.int32()),
    ]
)
BATCH_ROWS = 65_536

Row = tuple[str, str, str, bool, str | None, str | None, int]


class Source(Protocol):
    """A place that rows are read from, in batches of SCHEMA, as often as asked."""

    @property
    def name(self) -> str: ...

    @property
    def ids(self) -> bool:
        """Whether subjects are identifiers, not names."""

    @property
    def trusted(self) -> bool:
        """Whether the values were written for us by hand, and are to be left as they are."""

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]: ...


def row(
    s: str,
    p: str,
    o: str,
    *,
    ref: bool = False,
    zh: str | None = None,
    en: str | None = None,
    n: int = 0,
) -> Row:
    return (s, p, o, ref, zh, en, n)


def in_batches(rows: Iterator[Row], size: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    held: list[Row] = []
    for one in rows:
        held.append(one)
        if len(held) >= size:
            yield batch_of(held)
            held = []
    if held:
        yield batch_of(held)


def batch_of(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
