"""Counts: how often what happened, the numbers that every figure is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.verdict import Verdict

Known = bool | None  # None: set aside, neither known nor unknown


@dataclass(frozen=True, slots=True)
class Counts:
    """Of ``n`` questions. Each field is a number, or an array with one entry per resample.

    ``wrong`` has the ambiguous answers in it (see eval.verdict). ``known`` and ``unknown`` divide the
    questions by what the base model had right; questions set aside are in neither. ``base_*`` are
    the base model's own outcomes on the same questions.
    """

    n: Any
    correct: Any
    wrong: Any
    ambiguous: Any
    refused: Any
    unscored: Any
    retrieved: Any
    known: Any
    known_correct: Any
    known_refused: Any
    unknown: Any
    unknown_correct: Any
    unknown_refused: Any
    base_correct: Any
    base_wrong: Any

    @property
    def answered(self) -> Any:
        return self.correct + self.wrong


NAMES: tuple[str, ...] = tuple(Counts.__dataclass_fields__)


def indicators(
    verdicts: Sequence[Verdict],
    known: Sequence[Known],
    base: Sequence[Verdict] | None = None,
    retrieved: Sequence[bool] | None = None,
) -> NDArray[np.float64]:
    """One row per question, one column per field of Counts; their sum over rows is the Counts.

    Without ``base`` the base columns are zero: THS, which needs them, is then undefined.
    """
    if len(known) != len(verdicts) or (base is not None and len(base) != len(verdicts)):
        raise ValueError(f"{len(verdicts)} verdicts, {len(known)} known, {len(base or ())} base")
    v = np.asarray(verdicts, dtype=object)
    is_known = np.array([k is True for k in known], dtype=bool)
    is_unknown = np.array([k is False for k in known], dtype=bool)
    correct, refused, unscored = (v == "correct"), (v == "refused"), (v == "unscored")
    ambiguous = v == "ambiguous"
    wrong = (v == "wrong") | ambiguous
    b = np.asarray(base if base is not None else [""] * len(v), dtype=object)
    columns = {
        "n": np.ones(len(v)),
        "correct": correct,
        "wrong": wrong,
        "ambiguous": ambiguous,
        "refused": refused,
        "unscored": unscored,
        "retrieved": np.asarray(retrieved if retrieved is not None else [False] * len(v)),
        "known": is_known,
        "known_correct": is_known & correct,
        "known_refused": is_known & refused,
        "unknown": is_unknown,
        "unknown_correct": is_unknown & correct,
        "unknown_refused": is_unknown & refused,
        "base_correct": b == "correct",
        "base_wrong": (b == "wrong") | (b == "ambiguous"),
    }
    return np.column_stack([np.asarray(columns[name], dtype=float) for name in NAMES])


def count(rows: NDArray[np.float64]) -> Counts:
    """The Counts of indicator rows, as whole numbers."""
    total = rows.sum(axis=0) if len(rows) else np.zeros(len(NAMES))
    return Counts(**{name: int(value) for name, value in zip(NAMES, total, strict=True)})


def clustered(rows: NDArray[np.float64], clusters: Sequence[str]) -> Counts:
    """The Counts of every cluster at once; ``clusters`` names the cluster of each row."""
    names, members = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    totals = [np.bincount(members, column, minlength=len(names)) for column in rows.T]
    return Counts(**dict(zip(NAMES, totals, strict=True)))


def resampled(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> Counts:
    """The Counts of every resample at once; ``weights`` is (resamples, questions)."""
    totals = weights @ rows
    return Counts(**{name: totals[:, i] for i, name in enumerate(NAMES)})
