"""LexicalIndex: BM25 by bm25s, on disk, memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexRefusedError
from retrieval.segmentation import terms

if TYPE_CHECKING:
    import bm25s

K1, B = 1.5, 0.75
EMPTY = "empty.json"  # stands in for an index over no terms at all

Hits = tuple[NDArray[np.int64], NDArray[np.float32]]  # positions and scores, best first
NO_HITS: Hits = (np.zeros(0, np.int64), np.zeros(0, np.float32))


class LexicalIndex:
    """Positions of the passages whose terms fit a query best.

    Terms are looked up in a dictionary in memory, postings are read from the memory-mapped files.
    """

    def __init__(self, engine: bm25s.BM25 | None, size: int) -> None:
        self._engine = engine
        self.size = size

    @classmethod
    def of(cls, texts: Iterable[str]) -> LexicalIndex:
        """An index of ``texts`` (one a position) in memory."""
        import bm25s

        vocabulary: dict[str, int] = {}
        documents = [
            np.fromiter(
                (vocabulary.setdefault(term, len(vocabulary)) for term in terms(text)), np.int32
            )
            for text in texts
        ]
        if not vocabulary:
            return cls(None, len(documents))
        engine = bm25s.BM25(k1=K1, b=B, method="lucene")
        engine.scores = _scores(documents, len(vocabulary), K1, B)
        engine.vocab_dict = vocabulary
        engine.nonoccurrence_array = None
        return cls(engine, len(documents))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self._engine is None:
            (folder / EMPTY).write_text(json.dumps({"size": self.size}), encoding="utf-8")
        else:
            self._engine.save(folder, show_progress=False)

    @classmethod
    def open(cls, folder: Path) -> LexicalIndex:
        """Raises IndexRefusedError where the files are not a BM25 index."""
        import bm25s

        try:
            if (folder / EMPTY).exists():
                return cls(None, json.loads((folder / EMPTY).read_text(encoding="utf-8"))["size"])
            engine = bm25s.BM25.load(folder, mmap=True, show_progress=False)
            return cls(engine, int(engine.scores["num_docs"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexRefusedError(
                f"{folder}: no BM25 index ({error}). Build the index again."
            ) from error

    def search(self, query: str, k: int, names: Iterable[str] = ()) -> Hits:
        """At most ``k`` hits with a score above zero; none where no term of the query occurs.

        ``names`` are parts of the query that count twice (see ``query_terms``).
        """
        if self._engine is None or k < 1:
            return NO_HITS
        ids = self._engine.get_tokens_ids(query_terms(query, names))
        if not ids:
            return NO_HITS
        scores = self._engine.get_scores_from_ids(ids)
        best = _best(scores, min(k, self.size))
        best = best[scores[best] > 0]
        return best, scores[best].astype(np.float32)


def query_terms(query: str, names: Iterable[str] = ()) -> list[str]:
    """The terms that BM25 adds up: each of the query's once, and once more each of its names'.

    A question that repeats a word means no more by it. What it names (titles of passages) it is
    about: a passage that has the other words alone does not answer it. Terms of a name that the
    query, cut as a whole, does not have are left out.
    """
    found = list(dict.fromkeys(terms(query)))
    named = dict.fromkeys(term for name in names for term in terms(name))
    return found + [term for term in found if term in named]


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the ``k`` highest scores, ties by position, so that answers are stable."""
    if k < len(scores):
        chosen = np.argpartition(scores, -k)[-k:]
        chosen = np.flatnonzero(scores >= scores[chosen].min()) if k < 2048 else chosen
    else:
        chosen = np.arange(len(scores))
    order = np.lexsort((chosen, -scores[chosen]))
    return np.asarray(chosen[order][:k], np.int64)


def _scores(
    documents: list[NDArray[np.int32]], vocabulary: int, k1: float, b: float
) -> dict[str, Any]:
    """What ``bm25s.BM25.index`` computes (method lucene), by whole arrays.

    idf · tf / (tf + k1 · (1 − b + b · length / mean length)), idf = ln(1 + (N − df + ½) / (df +
    ½)). The library counts terms in Python, which takes many minutes for a million documents.
    """
    lengths = np.array([len(document) for document in documents], np.float64)
    flat = np.concatenate(documents).astype(np.int64)
    rows = np.repeat(np.arange(len(documents), dtype=np.int64), lengths.astype(np.int64))
    # Sorted by (term, document): the layout of a CSC matrix falls out of it.
    keys, frequency = np.unique(flat * len(documents) + rows, return_counts=True)
    term, row = np.divmod(keys, len(documents))
    df = np.bincount(term, minlength=vocabulary)
    idf = np.log1p((len(documents) - df + 0.5) / (df + 0.5))
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    data = idf[term] * frequency / (frequency + norm[row])
    indptr = np.zeros(vocabulary + 1, np.int64)
    np.cumsum(df, out=indptr[1:])
    return {
        "data": data.astype(np.float32),
        "indices": row.astype(np.int32),
        "indptr": indptr,
        "num_docs": len(documents),
    }
