"""Engines: what every index can do, and opening one whichever engine keeps it.

Index          FAISS and BM25 in files: one machine, nothing to install
MilvusIndex    a Milvus server or cluster, or Milvus Lite; shared by many machines
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, Self

from kg_builder.passage import Passage
from retrieval.embedder import Embedder
from retrieval.evidence import Evidence
from retrieval.index import Index, Mode, Progress


class PassageIndex(Protocol):
    """Passages that can be searched and changed; safe to share between threads."""

    folder: Path

    @property
    def name(self) -> str:
        """The version that is searched."""
        ...

    @property
    def size(self) -> int: ...

    @property
    def embedder(self) -> Embedder | None: ...

    def add(
        self,
        passages: Iterable[Passage],
        *,
        replacing: Iterable[str] = (),
        progress: Progress | None = None,
    ) -> Self: ...

    def delete(self, ids: Iterable[str], *, progress: Progress | None = None) -> int: ...

    def get(self, passage_id: str) -> Passage | None: ...

    def passages(self) -> Iterator[Passage]: ...

    def search(self, query: str, k: int = 10, mode: Mode = "hybrid") -> list[Evidence]: ...

    def info(self) -> dict[str, Any]: ...


def open_index(
    folder: Path, embedder: Embedder | None = None, *, verify: bool = False
) -> PassageIndex:
    """The index of a folder; raises IndexRefusedError, with the reason, where it cannot be served.

    ``embedder`` is needed only where the index was built with one that it cannot name.
    """
    from retrieval.milvus import MilvusIndex, is_milvus

    if is_milvus(folder):
        return MilvusIndex.open(folder, embedder, verify=verify)
    return Index.open(folder, embedder, verify=verify)
