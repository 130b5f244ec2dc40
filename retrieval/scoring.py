"""Scoring of passages that are in no index: the same BM25, over what one search brought."""

from __future__ import annotations

from collections.abc import Sequence

from kg_builder.passage import Passage
from retrieval.lexical import LexicalIndex
from retrieval.passage_text import passage_text


def score(question: str, passages: Sequence[Passage]) -> list[tuple[int, float]]:
    """(place, score), best first; passages that share no term with the question come last with 0."""
    positions, scores = LexicalIndex.of(map(passage_text, passages)).search(question, len(passages))
    ranked = list(zip(positions.tolist(), scores.tolist(), strict=True))
    there = set(positions.tolist())
    return ranked + [(place, 0.0) for place in range(len(passages)) if place not in there]
