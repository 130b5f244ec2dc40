"""DenseIndex: nearest vectors by FAISS, on disk, memory-mapped, without pickle.

Up to ``EXACT_LIMIT`` vectors the search is exact: ``faiss.knn`` over the memory-mapped array
itself. Above it an inverted file finds candidates (vectors in 8 bits, cells probed until recall@10
on a sample reaches the target, measured when the index is built), and the exact vectors rank them
again. An inverted file was chosen over HNSW because it builds in a fraction of the time on few
cores and can be memory-mapped; bench/retrieval_speed.py compares.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embedder import Vectors
from retrieval.errors import IndexRefusedError
from retrieval.lexical import NO_HITS, Hits

VECTORS, CELLS, SETTINGS = "vectors.npy", "cells.faiss", "dense.json"
EXACT_LIMIT = 50_000
RECALL_TARGET = 0.97  # on the sample; leaves room for 0.95 on other queries
SAMPLE = 200
REFINE = 8  # candidates per wanted neighbour that the exact vectors rank again
TRAIN_PER_CELL = 50


class DenseIndex:
    """Positions of the vectors with the largest inner product (cosine, as rows have length 1)."""

    def __init__(self, vectors: Vectors, cells: Any | None, settings: dict[str, Any]) -> None:
        self.vectors = vectors
        self.size, self.dimension = (int(side) for side in vectors.shape)
        self.settings = settings
        self._cells = cells

    @staticmethod
    def build(
        blocks: Iterable[Vectors],
        size: int,
        dimension: int,
        folder: Path,
        *,
        exact_limit: int = EXACT_LIMIT,
    ) -> dict[str, Any]:
        """Write ``size`` vectors that come in blocks; return the settings that were chosen."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / VECTORS
        array = np.lib.format.open_memmap(path, "w+", np.float32, (size, dimension))
        filled = 0
        for block in blocks:
            array[filled : filled + len(block)] = block
            filled += len(block)
        if filled != size:
            raise ValueError(f"{filled} vectors came, {size} were announced")
        array.flush()
        settings: dict[str, Any] = {"kind": "exact"}
        if size > exact_limit:
            settings = _build_cells(np.asarray(array), folder / CELLS)
        (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        return settings

    @classmethod
    def open(cls, folder: Path) -> DenseIndex:
        """Raises IndexRefusedError where the files are not such an index."""
        import faiss

        try:
            settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
            if vectors.ndim != 2 or vectors.dtype != np.float32:
                raise ValueError(f"{VECTORS} holds {vectors.dtype} of shape {vectors.shape}")
            cells = None
            if settings["kind"] != "exact":
                flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
                cells = faiss.read_index(str(folder / CELLS), flags)
                if (cells.ntotal, cells.d) != vectors.shape:
                    raise ValueError(f"{CELLS} holds {cells.ntotal} × {cells.d}")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise IndexRefusedError(
                f"{folder}: no vector index ({error}). Build it again."
            ) from error
        return cls(vectors, cells, settings)

    def search(self, query: NDArray[np.float32], k: int) -> Hits:
        """At most ``k`` hits for one query vector."""
        import faiss

        k = min(k, self.size)
        if k < 1:
            return NO_HITS
        row = np.ascontiguousarray(query, np.float32).reshape(1, -1)
        if row.shape[1] != self.dimension:
            raise IndexRefusedError(
                f"The query has {row.shape[1]} dimensions, the index {self.dimension}. "
                "Use the embedder that built the index."
            )
        if self._cells is None:
            scores, positions = faiss.knn(row, self.vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
            return positions[0].astype(np.int64), scores[0].astype(np.float32)
        parameters = faiss.SearchParametersIVF(nprobe=self.settings["probes"])  # type: ignore[call-arg]
        _, found = self._cells.search(row, k * REFINE, params=parameters)
        candidates = np.sort(found[0][found[0] >= 0])
        exact = self.vectors[candidates] @ row[0]
        order = np.argsort(-exact, kind="stable")[:k]
        return candidates[order], exact[order].astype(np.float32)


def _build_cells(vectors: Vectors, path: Path) -> dict[str, Any]:
    import faiss

    size, dimension = vectors.shape
    cells = 2 ** int(math.log2(min(4 * math.sqrt(size), size / TRAIN_PER_CELL)))
    generator = np.random.default_rng(0)
    # Questions lie apart from passages: a sample of the index itself would find its own cell first,
    # and recall would be overrated. Noise of length 1 leaves a cosine of about 0.7.
    chosen = generator.choice(size, min(SAMPLE, size), replace=False)
    noise = generator.standard_normal((len(chosen), dimension)).astype(np.float32)
    probes = vectors[chosen] + noise * np.float32(1 / math.sqrt(dimension))
    quantizer = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dimension, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    train = min(size, cells * TRAIN_PER_CELL)
    index.cp.niter = 8
    index.train(vectors[np.sort(generator.choice(size, train, replace=False))])
    for start in range(0, size, 65536):
        index.add(vectors[start : start + 65536])
    _, truth = faiss.knn(probes, vectors, 10, metric=faiss.METRIC_INNER_PRODUCT)
    nprobe, recall = 1, 0.0
    while True:
        parameters = faiss.SearchParametersIVF(nprobe=nprobe)  # type: ignore[call-arg]
        _, found = index.search(probes, 10 * REFINE, params=parameters)
        recall = float(
            np.mean([len(set(t) & set(f)) / len(t) for t, f in zip(truth, found, strict=True)])
        )
        if recall >= RECALL_TARGET or nprobe >= cells:
            break
        nprobe = min(cells, nprobe * 2)
    faiss.write_index(index, str(path))
    return {"kind": "cells", "cells": cells, "probes": nprobe, "sample_recall": round(recall, 4)}
