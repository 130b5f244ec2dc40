"""Embedder: texts in, float32 unit vectors out. Two implementations, one protocol.

NgramEmbedder                 the embedded one: a sentence-transformers model that was trained here;
                              run with numpy alone, so that a server needs no torch for it
SentenceTransformerEmbedder   any other sentence-transformers model, from the hub or a folder
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import EmbedderError
from retrieval.segmentation import ngrams

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]

NGRAM_CONFIG = "config.json"
NGRAM_WEIGHTS = "model.safetensors"
NGRAM_KEY = "embedding.weight"
NGRAM_ROWS = "rows"  # which rows are in the file, where not all are
NGRAM_KIND = "zhizhi-ngram-embedder"


@runtime_checkable
class Embedder(Protocol):
    """Batch in, batch out: arrays of shape (texts, dimension), float32, each row of length 1.

    ``name`` identifies the weights: an index built with one embedder refuses another.
    """

    name: str

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors: ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors: ...


def features(text: str, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Hashed n-grams of a text with the weight 1 + ln(count) each; never empty."""
    counts: dict[int, int] = {}
    for gram in ngrams(text):
        bucket = zlib.crc32(gram.encode()) % buckets
        counts[bucket] = counts.get(bucket, 0) + 1
    if not counts:
        counts[0] = 1
    ids = np.fromiter(counts.keys(), np.int64, len(counts))
    weights = 1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))
    return ids, weights.astype(np.float32)


def unit(vectors: NDArray[np.floating[Any]]) -> Vectors:
    """Rows scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


class Unseen(NamedTuple):
    """The rows of n-grams that no training text has: random signs of one length, made from a seed."""

    seed: int
    weight: float  # length of a row

    def rows(self, buckets: int, dimension: int) -> NDArray[np.float16]:
        """All rows as they are before training. The bits of PCG64 are the same in every numpy."""
        words = np.random.PCG64(self.seed).random_raw(-(-buckets * dimension // 64))
        bits = np.unpackbits(words.astype("<u8").view(np.uint8))[: buckets * dimension]
        value = self.weight / dimension**0.5
        signs = np.array([-value, value], np.float16)
        return signs[bits].reshape(buckets, dimension)


class NgramEmbedder:
    """The sum of the trained vectors of a text's hashed n-grams.

    Hashing means that a name never seen in training still has vectors of its own, which is what
    retrieval by name needs. The folder is a sentence-transformers model: see
    ``retrieval.embedder_training.load_sentence_transformer``.
    """

    def __init__(self, weights: NDArray[np.floating[Any]], unseen: Unseen | None = None) -> None:
        self.weights = np.ascontiguousarray(weights)
        self.unseen = unseen
        self.name = f"ngram-{hashlib.sha256(self.weights.data).hexdigest()[:16]}"
        self.buckets = int(weights.shape[0])

    @property
    def dimension(self) -> int:
        return int(self.weights.shape[1])

    @classmethod
    def load(cls, folder: Path) -> NgramEmbedder:
        """Raises EmbedderError where the folder holds no such model."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            config = json.loads((folder / NGRAM_CONFIG).read_text(encoding="utf-8"))
            expected = (config["buckets"], config["dimension"])
            held = load_file(folder / NGRAM_WEIGHTS)
            weights, unseen = held[NGRAM_KEY], None
            if NGRAM_ROWS in held:
                unseen = Unseen(**config["unseen"])
                rows, weights = weights, unseen.rows(*expected)
                weights[held[NGRAM_ROWS]] = rows
        except (OSError, ValueError, KeyError, IndexError, TypeError, SafetensorError) as error:
            raise EmbedderError(
                f"{folder}: no embedder of ours ({error}). Train one with train_embedder()."
            ) from error
        if weights.shape != expected:
            raise EmbedderError(
                f"{folder}: weights of shape {weights.shape}, its config says {expected}. "
                "Train it again."
            )
        return cls(weights, unseen)

    def save(self, folder: Path) -> None:
        """Write weights and config: what is loaded from there has the same ``name``.

        Rows that the seed gives again are not written: those of ten passages are few.
        """
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "kind": NGRAM_KIND, "buckets": self.buckets, "dimension": self.dimension
        }  # fmt: skip
        tensors = {NGRAM_KEY: self.weights}
        if self.unseen is not None:
            config["unseen"] = self.unseen._asdict()
            unseen = self.unseen.rows(self.buckets, self.dimension)
            rows = np.flatnonzero((self.weights != unseen).any(axis=1))
            tensors = {NGRAM_KEY: self.weights[rows], NGRAM_ROWS: rows.astype(np.int32)}
        (folder / NGRAM_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file(tensors, folder / NGRAM_WEIGHTS)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            ids, weights = features(text, self.buckets)
            vectors[row] = weights @ self.weights[ids].astype(np.float32)
        return unit(vectors)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, loaded when first used.

    Prompts come from the model's own configuration (``query``, ``document``/``passage``) unless
    given here. ``name`` is the model's id or path with its revision.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        batch_size: int = 32,
        device: str | None = None,
        revision: str | None = None,
    ) -> None:
        self.name = f"{model}@{revision}" if revision else str(model)
        self.batch_size = batch_size
        self._source = str(model)
        self._revision = revision
        self._device = device
        self._query_prompt = query_prompt
        self._passage_prompt = passage_prompt
        self._model: SentenceTransformer | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What is needed to make the same embedder again."""
        return {
            "model": self._source,
            "query_prompt": self._query_prompt,
            "passage_prompt": self._passage_prompt,
            "batch_size": self.batch_size,
            "revision": self._revision,
        }

    @property
    def model(self) -> SentenceTransformer:
        if self._model is None:
            from sentence_transformers import SentenceTransformer

            try:
                self._model = SentenceTransformer(
                    self._source,
                    device=self._device,
                    revision=self._revision,
                    trust_remote_code=False,
                )
            except (OSError, ValueError) as error:
                raise EmbedderError(
                    f"Embedder {self._source!r} cannot be loaded: {error} "
                    "Give a folder or a model id that can be reached."
                ) from error
        return self._model

    @property
    def dimension(self) -> int:
        dimension = self.model.get_embedding_dimension()
        if dimension is None:
            dimension = int(self.encode_queries(["?"]).shape[1])
        return dimension

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._finish(
            self.model.encode_query(
                list(texts),
                prompt=self._query_prompt,
                batch_size=self.batch_size,
                show_progress_bar=False,
                normalize_embeddings=True,
                convert_to_numpy=True,
            )
        )

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._finish(
            self.model.encode_document(
                list(texts),
                prompt=self._passage_prompt,
                batch_size=self.batch_size,
                show_progress_bar=False,
                normalize_embeddings=True,
                convert_to_numpy=True,
            )
        )

    @staticmethod
    def _finish(vectors: Any) -> Vectors:
        return np.ascontiguousarray(vectors, dtype=np.float32)
