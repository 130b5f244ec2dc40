"""Judge: how likely people are to call an answer right, by gradient-boosted trees that were fitted to their
judgements (bench/fit_matches.py; Friedman 2001) and are evaluated here without a library."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from kg_builder.matching.features import FEATURES

FILE = "judge.json"

# A leaf, which adds to the log-odds; or a feature, its limit, and the nodes up to it and above it.
Node = float | tuple[int, float, Any, Any]


class Judge(NamedTuple):
    """The trees of one language, and from which probability on an answer is judged right."""

    base: float  # log-odds before the first tree
    trees: list[Node]
    settled: float  # what the rules leave nothing open about is right from here on,
    right: float  # and every other answer from here on
    open: float  # an answer without any name of the gold is no longer sure to be wrong
    rates: dict[str, float]  # how often an answer is right that the rules alone decide, by reason

    def probability(self, features: list[float]) -> float:
        """Of being called right, between 0 and 1; ``features`` are those that FEATURES names."""
        odds = self.base
        for node in self.trees:
            while isinstance(node, tuple):
                feature, limit, low, high = node
                node = low if features[feature] <= limit else high
            odds += node
        return 1 / (1 + math.exp(-odds))


def read_judges(text: str) -> dict[str, Judge]:
    """The judges that a JSON text holds, by language.

    Raises ValueError where they were fitted on other features.
    """
    record = json.loads(text)
    if tuple(record.pop("features")) != FEATURES:
        raise ValueError(f"{FILE} was fitted on other features: run bench/fit_matches.py")
    return {
        language: Judge(**one | {"trees": [_node(tree, 0) for tree in one["trees"]]})
        for language, one in record.items()
    }


def _node(tree: dict[str, list[Any]], place: int) -> Node:
    """The node at one place of a tree that is written as flat lists; a negative feature marks a leaf."""
    feature = tree["feature"][place]
    if feature < 0:
        return float(tree["value"][place])
    low, high = (_node(tree, tree[side][place]) for side in ("left", "right"))
    return feature, tree["threshold"][place], low, high


@functools.cache
def judges() -> dict[str, Judge]:
    """The judges that ship beside this module."""
    # Compiled, this module lies in a folder of its own; the data stays where the lexicon is.
    from kg_builder.matching import lexicon

    return read_judges((Path(lexicon.__file__).parents[1] / FILE).read_text(encoding="utf-8"))


def judge(chinese: bool) -> Judge:
    """The judge of answers with or without Chinese in them."""
    return judges()["zh" if chinese else "en"]
