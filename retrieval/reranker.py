"""Reranker: the best passages put in order again by a model that reads question and passage together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from retrieval.errors import EmbedderError
from retrieval.evidence import Evidence
from retrieval.passage_text import passage_text

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class Reranker(Protocol):
    """``scores`` gives one number a passage, larger where it fits better."""

    name: str

    def scores(self, question: str, passages: Sequence[str]) -> list[float]: ...


class CrossEncoderReranker:
    """Any cross-encoder of sentence-transformers, from a folder or the hub; loaded when first used."""

    def __init__(self, model: str, *, batch_size: int = 16, device: str | None = None) -> None:
        self.name, self.batch_size, self._device = model, batch_size, device

    @cached_property
    def model(self) -> CrossEncoder:
        from sentence_transformers import CrossEncoder

        try:
            model: CrossEncoder = CrossEncoder(
                self.name, device=self._device, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise EmbedderError(
                f"Reranker {self.name!r} cannot be loaded: {error} "
                "Give a folder or a model id that can be reached."
            ) from error
        return model

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        pairs = [(question, passage) for passage in passages]
        found = self.model.predict(pairs, batch_size=self.batch_size, show_progress_bar=False)
        return [float(score) for score in found]


def rerank(question: str, evidence: Sequence[Evidence], reranker: Reranker) -> list[Evidence]:
    """The evidence by the reranker's scores, which take the place of the old ones."""
    if not evidence:
        return []
    scores = reranker.scores(question, [passage_text(item.passage) for item in evidence])
    scored = [
        item.model_copy(update={"score": score})
        for item, score in zip(evidence, scores, strict=True)
    ]
    return sorted(scored, key=lambda item: -item.score)
