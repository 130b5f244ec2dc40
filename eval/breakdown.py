"""Breakdown: the figures of every arm by relation, popularity, answer type, language and guessability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.counts import clustered, count
from eval.figures import entity_of, share_of
from eval.result import EvaluationResult
from kg_builder.question import Question

DIMENSIONS = ("relation", "popularity", "answer_type", "language", "guessable")
BROKEN_DOWN = ("precision", "coverage", "accuracy", "hallucination", "refusal", "over_refusal")
BANDS = 5


def breakdown(result: EvaluationResult) -> dict[str, dict[str, Any]]:
    """{dimension: {slice: {n, known, arms: {arm: figures}}}}, the slices of relations by falling n.

    A dimension on which all questions agree is left out. Slices are not tested against each other: with
    many of them some differ by chance, which their intervals show.
    """
    rows = {name: result.rows(arm) for name, arm in result.arms.items()}
    clusters = np.array([entity_of(q) for q in result.questions])
    found: dict[str, dict[str, Any]] = {}
    for dimension in DIMENSIONS:
        names = slices(result.questions, dimension)
        kinds = sorted({name for name in names if name is not None})
        if dimension == "relation":
            kinds.sort(key=lambda kind: (-names.count(kind), kind))
        if len(kinds) < 2:
            continue
        found[dimension] = {}
        for kind in kinds:
            inside = np.array([name == kind for name in names])
            found[dimension][kind] = {
                "n": int(inside.sum()),
                "known": sum(k is True for k, i in zip(result.known, inside, strict=True) if i),
                "arms": {
                    name: _figures(found_rows[inside], clusters[inside], result.settings.confidence)
                    for name, found_rows in rows.items()
                },
            }
    return found


def slices(questions: Sequence[Question], dimension: str) -> list[str | None]:
    """Which slice each question is in; None where that is not known."""
    match dimension:
        case "relation":
            return [q.relation or None for q in questions]
        case "answer_type":
            return [q.gold.answer_type for q in questions]
        case "language":
            return [q.language for q in questions]
        case "guessable":
            return [
                None if q.answer_share is None else "guessable" if q.guessable else "not guessable"
                for q in questions
            ]
        case "popularity":
            return popularity_bands([q.popularity for q in questions])
    raise ValueError(f"no dimension {dimension!r}")


def popularity_bands(popularity: Sequence[float | None]) -> list[str | None]:
    """Few distinct values are bands of their own; many are cut into fifths of equal size.

    The names sort from the least to the best known.
    """
    values = np.array([p for p in popularity if p is not None], dtype=float)
    if not len(values):
        return [None] * len(popularity)
    distinct = np.unique(values)
    if len(distinct) <= 2 * BANDS:
        names = {v: f"{i + 1}: {v:g}" for i, v in enumerate(distinct.tolist())}
        return [None if p is None else names[p] for p in popularity]
    edges = np.quantile(values, np.linspace(0, 1, BANDS + 1))
    labels = [f"{i + 1}: {edges[i]:g}–{edges[i + 1]:g}" for i in range(BANDS)]
    return [
        None
        if p is None
        else labels[min(BANDS - 1, int(np.searchsorted(edges[1:-1], p, side="right")))]
        for p in popularity
    ]


def _figures(
    rows: np.ndarray[Any, Any], clusters: np.ndarray[Any, Any], confidence: float
) -> dict[str, Any]:
    c, entities = count(rows), clustered(rows, clusters.tolist())
    figures: dict[str, Any] = {"n": c.n, "answered": c.answered, "correct": c.correct}
    for name in BROKEN_DOWN:
        found = share_of(name, c, entities, confidence)
        figures |= {name: found["value"], f"{name}_interval": found["interval"]}
    return figures
