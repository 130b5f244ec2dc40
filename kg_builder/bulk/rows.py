"""Rows as the sources gave them, in one table; and the account of those that could not be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pyarrow as pa

from kg_builder.bulk.store import Store
from kg_builder.sources.report import ReadReport
from kg_builder.sources.rows import POPULARITY, Source

T = TypeVar("T")
GROUP_ROWS = 200_000


def ingest(
    store: Store,
    sources: Sequence[Source],
    max_bad_shares: Sequence[float],
    tell: Callable[[str, int, int | None], None],
) -> None:
    """Fill ``raw`` with the rows of every source, a step a source, and ``source`` with its account."""
    store.once("tables", lambda: _create(store))
    for number, (source, share) in enumerate(zip(sources, max_bad_shares, strict=True)):
        store.once(f"read {number}", partial(_read, store, number, source, share, tell))


def _create(store: Store) -> None:
    store.con.execute(
        "CREATE TABLE raw (src UTINYINT, s VARCHAR, p VARCHAR, o VARCHAR, ref BOOLEAN,"
        " zh VARCHAR, en VARCHAR, n INTEGER)"
    )
    store.con.execute(
        "CREATE TABLE source (src UTINYINT, name VARCHAR, ids BOOLEAN, trusted BOOLEAN,"
        " rated BOOLEAN, report VARCHAR)"
    )


def _read(
    store: Store,
    number: int,
    source: Source,
    max_bad_share: float,
    tell: Callable[[str, int, int | None], None],
) -> None:
    report = ReadReport(source.name, max_bad_share)
    # Group by group, not as one stream: a stream would have DuckDB call back into Python while it
    # holds its own locks, and the two have been seen to wait for each other.
    for batches in prefetched(grouped(source.batches(report))):
        incoming = pa.Table.from_batches(batches)
        store.con.register("incoming", incoming)
        store.con.execute(f"INSERT INTO raw SELECT {number}, * FROM incoming")
        store.con.unregister("incoming")
        tell(f"read {source.name}", report.rows, None)
    report.check(final=True)
    rated = store.count("raw", f"src = {number} AND p = '{POPULARITY}'") > 0
    store.con.execute(
        "INSERT INTO source VALUES (?, ?, ?, ?, ?, ?)",
        [number, source.name, source.ids, source.trusted, rated,
         json.dumps(report.as_dict(), ensure_ascii=False)],
    )  # fmt: skip


def read_accounts(store: Store) -> list[dict[str, object]]:
    """What the readers reported, in the order of the sources."""
    found = store.con.execute("SELECT report FROM source ORDER BY src").fetchall()
    return [json.loads(report) for (report,) in found]


def grouped(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches in groups of some GROUP_ROWS rows: DuckDB takes the batches of one table in parallel."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= GROUP_ROWS:
            yield held
            held, rows = [], 0
    if held:
        yield held


def prefetched(batches: Iterator[T]) -> Iterator[T]:
    """The same items, the next one made by another thread while this one is used."""
    with ThreadPoolExecutor(1, "reader") as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
