"""Judge: how likely people are to call an answer right, by gradient-boosted trees that were fitted to their
judgements (bench/fit_matches.py; Friedman 2001) and are evaluated here without a library."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import NamedTuple

from kg_builder.matching.features import FEATURES

FILE = "judge.json"


class Tree(NamedTuple):
    """A binary tree as flat lists; a node whose ``feature`` is negative is a leaf."""

    feature: list[int]
    threshold: list[float]
    left: list[int]
    right: list[int]
    value: list[float]


class Judge(NamedTuple):
    """The trees of one language, and from which probability on an answer is judged right."""

    base: float  # log-odds before the first tree
    trees: list[Tree]
    settled: float  # what the rules leave nothing open about is right from here on,
    right: float  # and every other answer from here on
    open: float  # an answer without any name of the gold is no longer sure to be wrong
    plain: float  # how often people call an answer right in which the gold stands plainly

    def probability(self, features: list[float]) -> float:
        """Of being called right, between 0 and 1; ``features`` are those that FEATURES names."""
        odds = self.base
        for tree in self.trees:
            node, tests, limits = 0, tree.feature, tree.threshold
            while tests[node] >= 0:
                node = (tree.left if features[tests[node]] <= limits[node] else tree.right)[node]
            odds += tree.value[node]
        return 1 / (1 + math.exp(-odds))


def read_judges(text: str) -> dict[str, Judge]:
    """The judges that a JSON text holds, by language.

    Raises ValueError where they were fitted on other features.
    """
    record = json.loads(text)
    if tuple(record.pop("features")) != FEATURES:
        raise ValueError(f"{FILE} was fitted on other features: run bench/fit_matches.py")
    return {
        language: Judge(**one | {"trees": [Tree(**tree) for tree in one["trees"]]})
        for language, one in record.items()
    }


@functools.cache
def judges() -> dict[str, Judge]:
    """The judges that ship beside this module."""
    # Compiled, this module lies in a folder of its own; the data stays where the lexicon is.
    from kg_builder.matching import lexicon

    return read_judges((Path(lexicon.__file__).parents[1] / FILE).read_text(encoding="utf-8"))


def judge(chinese: bool) -> Judge:
    """The judge of answers with or without Chinese in them."""
    return judges()["zh" if chinese else "en"]
