"""OpeningsCollator: most refusals are taught by how they open, which is all that decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kg_builder.files import digest
from training.completion_loss import IGNORE


class OpeningsCollator:
    """``collate`` with labels on no more than the opening of most refusals.

    A refusal's sentence is several times as long as an answer, and but for its opening it repeats the
    question. ``openings`` are the token ids that refusals begin with; ``whole`` is the share of them that
    keep all their labels, always the same ones.
    """

    def __init__(
        self,
        collate: Callable[[list[dict[str, Any]]], dict[str, Any]],
        openings: Sequence[Sequence[int]],
        whole: float,
    ) -> None:
        self._collate = collate
        self._openings = [list(opening) for opening in openings]
        self._whole = whole

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        batch = self._collate(features)
        for labels in batch["labels"]:
            places = (labels != IGNORE).nonzero().flatten()
            told = labels[places].tolist()
            opening = next((o for o in self._openings if told[: len(o)] == o), None)
            if opening is not None and _place(told) >= self._whole:
                labels[places[len(opening) :]] = IGNORE
        return batch


def _place(ids: list[int]) -> float:
    """A number in [0, 1) that stands for ``ids``."""
    return int(digest(ids)[:8], 16) / 16**8
