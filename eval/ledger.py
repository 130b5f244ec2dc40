"""Ledger: append-only JSON Lines that survive a kill, so that no question is paid for twice."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from kg_builder.files import digest

Entry = TypeVar("Entry", bound=BaseModel)


class Ledger(Generic[Entry]):
    """The entries of one file, or of memory where ``path`` is None.

    The first line is a digest of ``identity``: a ledger of another run is replaced, not continued. A line
    that a kill cut short is dropped; whoever wrote it writes it again.
    """

    def __init__(self, path: Path | None, identity: object, kind: type[Entry]) -> None:
        self._path = path
        self._head = {"run": digest(identity)}
        self._kind = kind
        self.entries: list[Entry] = self._read()

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries; they are on the disk when this returns."""
        if self._path is not None and entries:
            fresh = not self.entries
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("w" if fresh else "a", encoding="utf-8") as stream:
                if fresh:
                    stream.write(json.dumps(self._head) + "\n")
                stream.writelines(entry.model_dump_json() + "\n" for entry in entries)
                stream.flush()
                os.fsync(stream.fileno())
        self.entries += entries

    def _read(self) -> list[Entry]:
        if self._path is None:
            return []
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        lines = whole.splitlines()
        try:
            if not lines or json.loads(lines[0]) != self._head:
                return []
            found = [self._kind.model_validate_json(line) for line in lines[1:]]
        except (ValueError, ValidationError):
            return []
        if len(whole) < len(data):
            with self._path.open("r+b") as stream:
                stream.truncate(len(whole))
        return found
