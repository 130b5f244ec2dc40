"""Train the embedded embedder: contrastive, on the passages themselves and on question pairs.

A passage teaches without any question: a piece of one of its sentences is a query, the rest of the
passage its answer (the inverse cloze task, Lee et al. 2019); title and sentence stay in the passage
half of the time, so that shared words keep counting. Rows start as random vectors scaled by inverse
document frequency: untrained, that is a random projection of TF-IDF.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kg_builder.passage import Passage
from retrieval.embedder import NgramEmbedder, Unseen, features
from retrieval.errors import EmbedderError
from retrieval.passage_text import passage_text
from retrieval.sentences import sentences

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from retrieval.ngram_module import NgramEmbedding

Progress = Callable[[int, int], None]  # steps done, steps in all


class EmbedderSettings(BaseModel):
    """How to train. ``seconds`` is a rough ceiling: steps are cut, never added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    buckets: int = Field(default=2**16, ge=1024)
    dimension: int = Field(default=256, ge=16)
    steps: int = Field(default=160, ge=0)
    batch_size: int = Field(default=256, ge=2)
    learning_rate: float = 0.02
    scale: float = 20.0  # inverse temperature of the similarities
    query_length: tuple[int, int] = (8, 30)  # characters of a pseudo-query
    title_rate: float = 0.3  # pseudo-queries that name the title
    keep_rate: float = 0.5  # passages that keep the sentence the query came from
    seed: int = 0


def train_embedder(
    passages: Sequence[Passage],
    pairs: Sequence[tuple[str, str]] = (),
    settings: EmbedderSettings | None = None,
    progress: Progress | None = None,
) -> NgramEmbedder:
    """An embedder for these passages and others like them.

    ``pairs`` are (question, passage text) of the *training* split; half of every batch comes from
    them where there are any. Deterministic for a seed on one machine.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from retrieval.ngram_module import NgramEmbedding

    settings = settings or EmbedderSettings()
    if len(passages) < 2:
        raise EmbedderError(
            f"{len(passages)} passage(s): an embedder needs at least 2 to tell apart. "
            "Index lexically, or give an embedder."
        )
    initial = _initial_rows(passages, settings)
    module = NgramEmbedding(settings.buckets, settings.dimension, weights=initial)
    model = SentenceTransformer(modules=[module], device="cpu")
    loss = MultipleNegativesRankingLoss(
        model, scale=settings.scale, directions=("query_to_doc", "doc_to_query")
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=settings.learning_rate, fused=True)
    batches = _Batches(passages, pairs, settings)
    no_labels = torch.empty(0)
    for step in range(settings.steps):
        # Linear decay to a tenth: the last steps settle what the first ones found.
        rate = settings.learning_rate * (1 - 0.9 * step / settings.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        queries, texts = batches.draw()
        value = loss([module.preprocess(queries), module.preprocess(texts)], no_labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if progress:
            progress(step + 1, settings.steps)
    with tempfile.TemporaryDirectory() as folder:
        module.save(folder)
        weights = NgramEmbedder.load(Path(folder)).weights
    # What no text has was never moved: such rows need not be kept, a seed gives them again.
    unseen = Unseen(settings.seed, float(_idf(0, len(passages))))
    still = (weights == initial.astype(np.float16)).all(axis=1)
    weights[still] = unseen.rows(settings.buckets, settings.dimension)[still]
    return NgramEmbedder(weights, unseen)


def save_sentence_transformer(embedder: NgramEmbedder, folder: Path) -> None:
    """Write the embedder as a folder that ``load_sentence_transformer`` reads."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(modules=[_module(embedder)], device="cpu")
    model.save(str(folder), create_model_card=False)


def load_sentence_transformer(folder: Path) -> SentenceTransformer:
    """The embedded embedder as a SentenceTransformer, to be used or trained further."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(modules=[_module(NgramEmbedder.load(folder))], device="cpu")


def _module(embedder: NgramEmbedder) -> NgramEmbedding:
    from retrieval.ngram_module import NgramEmbedding

    weights = embedder.weights.astype(np.float32)
    return NgramEmbedding(embedder.buckets, embedder.dimension, weights=weights)


def _initial_rows(passages: Sequence[Passage], settings: EmbedderSettings) -> NDArray[np.float32]:
    counts = np.zeros(settings.buckets, np.float32)
    for passage in passages:
        counts[features(passage_text(passage), settings.buckets)[0]] += 1
    weight = _idf(counts, len(passages))
    generator = np.random.default_rng(settings.seed)
    rows = generator.standard_normal((settings.buckets, settings.dimension), np.float32)
    return rows * weight[:, None].astype(np.float32) / math.sqrt(settings.dimension)


def _idf(counts: NDArray[np.float32] | int, passages: int) -> NDArray[np.floating[Any]]:
    """Inverse document frequency of n-grams that ``counts`` of the passages have."""
    return np.log((passages + 1) / (np.asarray(counts) + 0.5)).clip(min=0.01)


class _Batches:
    """Pairs of (query, passage text), no passage twice in a batch: it would be its own negative."""

    def __init__(
        self,
        passages: Sequence[Passage],
        pairs: Sequence[tuple[str, str]],
        settings: EmbedderSettings,
    ) -> None:
        self.passages, self.pairs, self.settings = passages, pairs, settings
        self.random = random.Random(settings.seed)
        self.sentences = [[s.text for s in sentences(p.text)] or [p.text] for p in passages]
        self._orders: dict[str, list[int]] = {"passages": [], "pairs": []}

    def draw(self) -> tuple[list[str], list[str]]:
        size = min(self.settings.batch_size, len(self.passages))
        supervised = min(size // 2, len(self.pairs))
        queries, texts = [], []
        seen: set[str] = set()
        for number in self._next("pairs", len(self.pairs), supervised):
            question, text = self.pairs[number]
            if text not in seen:
                seen.add(text)
                queries.append(question)
                texts.append(text)
        for number in self._next("passages", len(self.passages), size - supervised):
            if passage_text(self.passages[number]) not in seen:
                query, text = self._cloze(number)
                queries.append(query)
                texts.append(text)
        return queries, texts

    def _next(self, kind: str, total: int, wanted: int) -> list[int]:
        order = self._orders[kind]
        if len(order) < wanted:
            fresh = list(range(total))
            self.random.shuffle(fresh)
            order = self._orders[kind] = fresh
        taken, self._orders[kind] = order[:wanted], order[wanted:]
        return taken

    def _cloze(self, number: int) -> tuple[str, str]:
        choose, passage = self.random, self.passages[number]
        chosen = choose.choice(self.sentences[number])
        length = choose.randint(*self.settings.query_length)
        if not any("\u3400" <= c <= "\u9fff" for c in chosen):
            length *= 4  # a Chinese character says about as much as four Latin letters
        start = choose.randint(0, max(0, len(chosen) - length))
        query = chosen[start : start + length]
        if choose.random() < self.settings.title_rate:
            query = f"{passage.title} {query}"
        kept = "".join(
            s for s in self.sentences[number]
            if s != chosen or choose.random() < self.settings.keep_rate
        )  # fmt: skip
        return query, f"{passage.title}。{kept}"
