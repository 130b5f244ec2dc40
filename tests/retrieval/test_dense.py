from pathlib import Path

import numpy as np
import pytest

from retrieval.dense import DenseIndex
from retrieval.embedder import unit
from retrieval.errors import IndexRefusedError


def clustered(size: int, dimension: int = 32, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((50, dimension))
    noise = generator.standard_normal((size, dimension))
    return unit(centres[generator.integers(0, 50, size)] + 0.6 * noise)


def exact(vectors: np.ndarray, query: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(vectors @ query), kind="stable")[:k]


def test_exact_search(tmp_path: Path) -> None:
    vectors = clustered(300)
    DenseIndex.build([vectors[:100], vectors[100:]], 300, 32, tmp_path)
    index = DenseIndex.open(tmp_path)
    positions, scores = index.search(vectors[7], 5)
    assert list(positions) == list(exact(vectors, vectors[7], 5))
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert len(index.search(vectors[7], 1000)[0]) == 300
    assert len(index.search(vectors[7], 0)[0]) == 0


def test_cells_above_the_limit_reach_the_recall(tmp_path: Path) -> None:
    vectors = clustered(6000)
    settings = DenseIndex.build([vectors], 6000, 32, tmp_path, exact_limit=1000)
    assert settings["kind"] == "cells"
    assert settings["probes"] < settings["cells"]
    index = DenseIndex.open(tmp_path)
    queries = clustered(100, seed=1)
    hits = [len(set(index.search(q, 10)[0]) & set(exact(vectors, q, 10))) for q in queries]
    assert np.mean(hits) >= 9.5
    positions, scores = index.search(queries[0], 10)
    np.testing.assert_allclose(scores, vectors[positions] @ queries[0], rtol=1e-5)


def test_another_dimension_is_refused(tmp_path: Path) -> None:
    DenseIndex.build([clustered(10)], 10, 32, tmp_path)
    with pytest.raises(IndexRefusedError, match="48 dimensions"):
        DenseIndex.open(tmp_path).search(np.ones(48, np.float32), 3)


def test_pickles_are_refused(tmp_path: Path) -> None:
    DenseIndex.build([clustered(10)], 10, 32, tmp_path)
    with (tmp_path / "vectors.npy").open("wb") as stream:
        np.save(stream, np.array([{"evil": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(IndexRefusedError, match="no vector index"):
        DenseIndex.open(tmp_path)


def test_vectors_that_do_not_come_are_missed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="10 vectors came, 11"):
        DenseIndex.build([clustered(10)], 11, 32, tmp_path)
