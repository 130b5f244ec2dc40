"""NgramClassifier: a logistic model over hashed character n-grams, small enough to travel as JSON."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from kg_builder.files import write_text

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class NgramClassifier(BaseModel):
    """P(the first of two kinds) of a short text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learnt_from: str
    n: int  # texts that it was fitted on
    longest: int  # of its n-grams, in characters
    intercept: float
    weights: tuple[float, ...]

    @classmethod
    def load(cls, path: Path) -> NgramClassifier:
        return cls.model_validate_json(path.read_bytes())

    def save(self, path: Path) -> None:
        write_text(path, json.dumps(self.model_dump(), ensure_ascii=False) + "\n")

    def probability(self, text: str) -> float:
        found = buckets(text, self.longest, len(self.weights))
        z = self.intercept + sum(self.weights[i] for i in found) / math.sqrt(len(found))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, z))))

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        kinds: Sequence[bool],
        learnt_from: str,
        *,
        strength: float,
        longest: int = 3,
        count: int = 16384,
    ) -> NgramClassifier:
        """Logistic regression with both kinds weighed alike; ``strength`` is scikit-learn's C."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=strength, max_iter=500, class_weight="balanced")
        model.fit(_matrix(texts, longest, count), list(kinds))
        return cls(
            learnt_from=learnt_from,
            n=len(texts),
            longest=longest,
            intercept=round(float(model.intercept_[0]), 3),
            weights=tuple(round(float(w), 2) for w in model.coef_[0]),
        )


def buckets(text: str, longest: int, count: int) -> list[int]:
    """The hashed n-grams of a text, ends marked, each once."""
    marked = f"^{text}$"
    grams = {marked[i : i + n] for n in range(1, longest + 1) for i in range(len(marked) - n + 1)}
    return sorted({zlib.crc32(gram.encode()) % count for gram in grams})


def _matrix(texts: Sequence[str], longest: int, count: int) -> csr_matrix[Any]:
    """One row a text, of length 1."""
    from scipy.sparse import csr_matrix

    columns: list[int] = []
    values: list[float] = []
    ends = [0]
    for text in texts:
        found = buckets(text, longest, count)
        columns += found
        values += [1 / math.sqrt(len(found))] * len(found)
        ends.append(len(columns))
    return csr_matrix((values, columns, ends), shape=(len(texts), count))
