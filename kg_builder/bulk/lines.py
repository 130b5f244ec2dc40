"""Lines: a column of JSON texts appended to a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from kg_builder.bulk.rows import prefetched
from kg_builder.bulk.store import Store, StoreError


def write_lines(store: Store, sql: str, path: Path) -> None:
    """Append a column of lines, each with its end, straight from the database's buffers.

    What a killed run left behind what was committed is cut off first.
    """
    (start,) = store.one("SELECT coalesce(max(size), 0) FROM written WHERE file = ?", [path.name])
    path.touch()
    if path.stat().st_size < start:
        raise StoreError(f"{path} is shorter than it was. Delete {path.parent} and build again.")
    with path.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        # The next lines are put together while these are written.
        for batch in prefetched(iter(store.con.sql(sql).to_arrow_reader(100_000))):
            (column,) = batch.columns
            if not len(column):
                continue
            kind, offsets, data = column.type, column.buffers()[1], column.buffers()[2]
            view = memoryview(offsets)
            places = view.cast("q") if kind == pa.large_string() else view.cast("i")
            start, end = places[column.offset], places[column.offset + len(column)]
            file.write(memoryview(data)[start:end])
        size = file.tell()
    store.con.execute("INSERT INTO written VALUES (?, ?)", [path.name, size])


def is_plain(text: str) -> str:
    return f"NOT regexp_matches({text}, '[\\x{{0}}-\\x{{1f}}\"\\\\]')"


def escaped(text: str) -> str:
    """A text as it stands between the quotes of a JSON string."""
    return f"CASE WHEN {is_plain(text)} THEN {text} ELSE (to_json({text})::VARCHAR)[2:-2] END"
