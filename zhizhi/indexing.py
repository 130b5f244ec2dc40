"""Make the index of a run: train the embedder on the passages, or take the one that the recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kg_builder.passage import Passage
from kg_builder.question import Question
from zhizhi.recipe import EMBEDDED, Recipe


def make_index(
    recipe: Recipe, passages: Sequence[Passage], training: Sequence[Question], out: Path
) -> dict[str, Any]:
    """Index ``passages`` under ``out``. Only questions of the training split teach the embedder."""
    from retrieval.index import Index

    index = Index.build(passages, out, embedder(recipe, passages, training))
    return {"passages": index.size}


def embedder(recipe: Recipe, passages: Sequence[Passage], training: Sequence[Question]) -> Any:
    if recipe.retrieval.embedder != EMBEDDED:
        from retrieval.embedder import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(recipe.retrieval.embedder)
    from retrieval.embedder_training import train_embedder

    told = {entity: passage.text for passage in passages for entity in passage.entities[:1]}
    pairs = [(q.text, told[q.subject_id]) for q in training if q.subject_id in told]
    return train_embedder(passages, pairs)
