"""SupportLexicon: what the support check has learnt about words, and the weights of its features.

Everything in it is counted or fitted on reading-comprehension data by
``retrieval.reading.support_training`` and stored as one JSON file a language.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language

FOLDER = Path(__file__).parent
_UNSEEN = 0.5  # sentences that a word outside the table is taken to stand in


class SupportLexicon(BaseModel):
    """``sentences`` were counted; ``counts`` holds how many of them have each word.

    ``answer_shapes[cue][shape]`` is the
    log ratio of the probability of an answer's shape after a question word to that of any other phrase.
    ``weights`` are those of a logistic regression on the features, with ``intercept``; a claim is
    supported from ``threshold`` on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language
    data: str
    licence: str
    sentences: int
    counts: Mapping[str, int]
    answer_shapes: Mapping[str, Mapping[str, float]]
    weights: Mapping[str, float]
    intercept: float
    threshold: float

    def weight(self, word: str) -> float:
        """How telling a word is: 1 for one never seen, near 0 for one in every sentence."""
        seen = self.counts.get(word, _UNSEEN)
        return math.log(self.sentences / seen + 1) / math.log(self.sentences / _UNSEEN + 1)

    def is_rare(self, word: str) -> bool:
        """Whether a word is probably a name: it was not counted often enough to be in the table."""
        return word not in self.counts

    def answer_shape(self, cues: Sequence[str], shapes: Sequence[str]) -> float:
        """The largest log ratio of the shapes after the first cue that is known; 0 after none."""
        for cue in cues:
            table = self.answer_shapes.get(cue)
            if table:
                return max((table.get(shape, -1.0) for shape in shapes), default=0.0)
        return 0.0

    def score(self, features: Mapping[str, float]) -> float:
        """Log odds that a claim with these features is supported, 0 at the threshold."""
        total = self.intercept + sum(self.weights.get(k, 0.0) * v for k, v in features.items())
        return total - self.threshold


def lexicon_path(language: Language) -> Path:
    return FOLDER / f"support.{language}.json"


@lru_cache
def support_lexicon(language: Language) -> SupportLexicon:
    """The lexicon that comes with the package. Raises FileNotFoundError where it is missing."""
    return SupportLexicon.model_validate(json.loads(lexicon_path(language).read_text("utf-8")))
