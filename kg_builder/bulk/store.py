"""Store: the database of one build job, and which of its steps are done.

A step is one transaction that ends with a note of itself, so a job killed half-way goes on with the
step it was at. The database belongs to one key (settings, sources, code); another key begins anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import duckdb

from kg_builder.errors import UserError


class StoreError(UserError):
    """The database cannot be opened: another job holds it, or the disk is full."""


class Store:
    """A DuckDB file with a memory limit. Use it as a context manager."""

    def __init__(self, path: Path, key: str, memory: str = "1GB", threads: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.con = self._open(memory, threads)
        if not self._belongs_to(key):
            self.con.close()
            self._remove()
            self.con = self._open(memory, threads)
            self.con.execute("CREATE TABLE job (key VARCHAR)")
            self.con.execute("CREATE TABLE done (step VARCHAR)")
            self.con.execute("INSERT INTO job VALUES (?)", [key])

    def _open(self, memory: str, threads: int) -> duckdb.DuckDBPyConnection:
        config: dict[str, Any] = {"memory_limit": memory, "preserve_insertion_order": False}
        if threads:
            config["threads"] = threads
        try:
            con = duckdb.connect(str(self.path), config=config)
        except duckdb.IOException as error:
            if "lock" in str(error).lower():
                raise StoreError(
                    f"{self.path} is in use by another build. Wait for it or choose another folder."
                ) from error
            # A file cut short by a full disk or a power cut holds nothing that cannot be redone.
            self._remove()
            con = duckdb.connect(str(self.path), config=config)
        # A finished job deletes its database; one that stops early is replayed from its log.
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
        return con

    def _belongs_to(self, key: str) -> bool:
        try:
            return self.con.execute("SELECT key FROM job").fetchone() == (key,)
        except duckdb.CatalogException:
            return False

    def _remove(self) -> None:
        for path in (self.path, self.path.with_name(self.path.name + ".wal")):
            path.unlink(missing_ok=True)

    def is_done(self, step: str) -> bool:
        return bool(self.con.execute("SELECT 1 FROM done WHERE step = ?", [step]).fetchone())

    def once(self, step: str, work: Callable[[], object]) -> None:
        """Do the work in one transaction, unless an earlier run of the job did."""
        if self.is_done(step):
            return
        self.con.execute("BEGIN")
        try:
            work()
            self.con.execute("INSERT INTO done VALUES (?)", [step])
            self.con.execute("COMMIT")
        except BaseException:
            # The connection may be gone; what was not committed is not there then either.
            with contextlib.suppress(duckdb.Error):
                self.con.execute("ROLLBACK")
            raise

    def count(self, table: str, where: str = "true") -> int:
        return int(self.one(f"SELECT count(*) FROM {table} WHERE {where}")[0])

    def one(self, sql: str, values: list[Any] | None = None) -> tuple[Any, ...]:
        # One row, and nothing left unread.
        (found,) = self.con.execute(sql, values or []).fetchall()
        return tuple(found)

    def rows(self, sql: str, values: list[Any] | None = None) -> Iterator[tuple[Any, ...]]:
        cursor = self.con.cursor().execute(sql, values or [])
        while batch := cursor.fetchmany(10_000):
            yield from batch

    def close(self) -> None:
        self.con.close()

    def remove(self) -> None:
        """Close and delete: the job is done."""
        self.close()
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
