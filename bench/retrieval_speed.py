"""How fast retrieval is at size: python bench/retrieval_speed.py [--n 1000000] [--json].

Vectors   n × 384, in clusters as embeddings are: time to build, bytes, time to open, recall@10 against
          exact search, and how long a question takes beside exact search over the same file.
Words     n short Chinese passages: time to build, questions a second; beside rank_bm25 on a slice that
          it can hold. Words are drawn by Zipf's law and segmented as real text is.
Cold      a new process opens each index and answers its first question, nothing in memory but what the
          system's page cache holds.

Everything runs on two threads at most; memory stays below 12 GB at a million.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "2"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from numpy.typing import NDArray

from retrieval.dense import DenseIndex
from retrieval.lexical import LexicalIndex
from retrieval.segmentation import terms

THREADS = 2
DIMENSION, BLOCK = 384, 50_000
PER_CLUSTER = 200  # vectors of one topic
SPREAD = 0.8  # length of what tells two of a topic apart, beside the topic's 1
QUERIES, EXACT_QUERIES = 300, 30
SLICE = 20_000  # passages that rank_bm25 is given
WORDS, PASSAGE = 60_000, 12  # of the vocabulary, of a passage


def blocks(n: int, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """Unit vectors around topics that are themselves random."""
    topics = np.random.default_rng(seed).standard_normal((max(1, n // PER_CLUSTER), DIMENSION))
    topics = topics.astype(np.float32) / np.float32(DIMENSION**0.5)
    for start in range(0, n, BLOCK):
        chosen = np.random.default_rng((seed, start))
        size = min(BLOCK, n - start)
        noise = chosen.standard_normal((size, DIMENSION), np.float32) * SPREAD / DIMENSION**0.5
        rows = topics[chosen.integers(len(topics), size=size)] + noise
        yield (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def questions(vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """As far from their nearest vectors as those are from one another."""
    chosen = np.random.default_rng(7)
    rows = vectors[np.sort(chosen.choice(len(vectors), count, replace=False))]
    noise = chosen.standard_normal(rows.shape).astype(np.float32) * SPREAD / DIMENSION**0.5
    return np.asarray(rows + noise, np.float32)


def quantiles(seconds: list[float]) -> dict[str, float]:
    p50, p95 = np.quantile(seconds, [0.5, 0.95])
    return {"p50_ms": round(1000 * float(p50), 3), "p95_ms": round(1000 * float(p95), 3)}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    value = work()
    return time.perf_counter() - started, value


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def cold(kind: str, folder: Path, question: str) -> dict[str, float]:
    """Milliseconds that a new process takes to open an index, and to answer its first question."""
    code = f"""
import json, sys, time
import numpy as np
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from retrieval.dense import DenseIndex
from retrieval.lexical import LexicalIndex
import faiss, bm25s, rjieba
folder, question = Path(sys.argv[1]), sys.argv[2]
started = time.perf_counter()
index = {"DenseIndex" if kind == "dense" else "LexicalIndex"}.open(folder)
opened = time.perf_counter()
query = np.asarray(json.loads(question), np.float32) if {kind == "dense"} else question
index.search(query, 10)
done = time.perf_counter()
print(json.dumps({{"open_ms": 1000 * (opened - started), "first_query_ms": 1000 * (done - opened)}}))
"""
    shown = subprocess.run(
        [sys.executable, "-c", code, str(folder), question],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {name: round(value, 1) for name, value in json.loads(shown.stdout).items()}


def dense(n: int, folder: Path) -> dict[str, Any]:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    build_s, settings = timed(lambda: DenseIndex.build(blocks(n), n, DIMENSION, folder))
    index = DenseIndex.open(folder)
    asked = questions(index.vectors, QUERIES)
    index.search(asked[0], 10)
    seconds = [timed(lambda query=query: index.search(query, 10))[0] for query in asked]
    exact = [
        timed(
            lambda query=query: faiss.knn(
                query.reshape(1, -1), index.vectors, 10, metric=faiss.METRIC_INNER_PRODUCT
            )
        )[0]
        for query in asked[:EXACT_QUERIES]
    ]
    _, truth = faiss.knn(asked, index.vectors, 10, metric=faiss.METRIC_INNER_PRODUCT)
    recalls = [
        len({*row} & {*index.search(query, 10)[0]}) / 10
        for row, query in zip(truth, asked, strict=True)
    ]
    fast, slow = quantiles(seconds), quantiles(exact)
    return {
        "n": n,
        "settings": settings,
        "build_s": round(build_s, 1),
        "bytes": size_of(folder),
        "cold": cold("dense", folder, json.dumps(asked[0].tolist())),
        "recall@10": round(float(np.mean(recalls)), 4),
        "query": fast,
        "exact": slow,
        "share_of_exact": round(fast["p50_ms"] / slow["p50_ms"], 4),
    }


def texts(n: int) -> Iterator[str]:
    """Short Chinese passages: two-character words of a vocabulary, common ones often."""
    chosen = np.random.default_rng(3)
    characters = chosen.integers(0x4E00, 0x4E00 + 4000, size=(WORDS, 2))
    words = ["".join(map(chr, pair)) for pair in characters]
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        drawn = np.minimum(chosen.zipf(1.15, size=(size, PASSAGE)) - 1, WORDS - 1)
        for row in drawn:
            yield "".join(words[number] for number in row) + "。"


def lexical(n: int, folder: Path) -> dict[str, Any]:
    from rank_bm25 import BM25Okapi

    build_s, _ = timed(lambda: LexicalIndex.of(texts(n)).save(folder))
    index = LexicalIndex.open(folder)
    asked = [text[4:12] for text, _ in zip(texts(n), range(QUERIES), strict=False)]
    index.search(asked[0], 10)
    seconds = [timed(lambda text=text: index.search(text, 10))[0] for text in asked]
    part = [text for text, _ in zip(texts(n), range(min(n, SLICE)), strict=False)]
    ours_s, small = timed(lambda: LexicalIndex.of(part))
    theirs_s, theirs = timed(lambda: BM25Okapi([terms(text) for text in part]))
    few = asked[:30]
    ours, _ = timed(lambda: [small.search(text, 10) for text in few])
    other, _ = timed(
        lambda: [np.argpartition(theirs.get_scores(terms(text)), -10)[-10:] for text in few]
    )
    return {
        "n": n,
        "build_s": round(build_s, 1),
        "bytes": size_of(folder),
        "cold": cold("lexical", folder, asked[1]),
        "query": quantiles(seconds),
        "queries_per_s": round(len(asked) / sum(seconds), 1),
        "beside_rank_bm25": {
            "n": len(part),
            "build_times_faster": round(theirs_s / ours_s, 1),
            "query_times_faster": round(other / ours, 1),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--n", type=int, default=1_000_000, help="vectors, and passages")
    parser.add_argument("--only", choices=["dense", "lexical"], help="measure one part")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    result: dict[str, Any] = {}
    for name, work in (("dense", dense), ("lexical", lexical)):
        if given.only in (None, name):
            folder = Path(tempfile.mkdtemp(prefix="zhizhi-bench-"))
            try:
                result[name] = work(given.n, folder)
            finally:
                shutil.rmtree(folder)
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for name, row in result.items():
        print(name, *(f"{key} {value}" for key, value in row.items()), sep="\n    ")


if __name__ == "__main__":
    main()
