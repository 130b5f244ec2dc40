"""Popularity: how well known the subject of a question is, as far as a graph's names tell.

A model is right about the popular more often than its certainty says, and about the obscure less often. What
a deployment sees of a question is its wording, so the subject is looked up there by name; one that no name
tells of counts among the least known.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from kg_builder.question import Question

MOST = 200_000  # names that a bundle carries, the best known first
BANDS = 5
ENOUGH = 0.5  # share of the questions whose popularity must be known for it to be of use


def fold(text: str) -> str:
    """As names are compared: width and case do not count."""
    return unicodedata.normalize("NFKC", text).casefold()


def names_of(questions: Iterable[Question]) -> dict[str, float]:
    """The popularity of every subject by its name, of at most ``MOST`` names; empty where too few of the
    questions tell, or all are as popular."""
    found: dict[str, float] = {}
    told = total = 0
    for question in questions:
        total += 1
        if question.popularity is None or not question.subject:
            continue
        told += 1
        name = fold(question.subject)
        found[name] = max(question.popularity, found.get(name, question.popularity))
    if told < ENOUGH * total or len({*found.values()}) < 2:
        return {}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MOST])


def bands_of_names(names: Mapping[str, float], count: int = BANDS) -> tuple[float, ...]:
    """The least popularity of every band but the lowest, rising: a few degrees are bands of their own, many
    are cut into ``count`` shares of about as many names."""
    degrees = sorted({*names.values()})
    if len(degrees) <= count:
        return tuple(degrees[1:])
    ranked = sorted(names.values())
    edges = sorted({ranked[i * len(ranked) // count] for i in range(1, count)})
    return tuple(edge for edge in edges if edge > degrees[0])


class Popularity:
    """Looks the subjects of questions up by ``names``; ``bands`` are as ``bands_of_names`` gives them."""

    def __init__(self, names: Mapping[str, float], bands: Sequence[float]) -> None:
        self._names = names
        self._bands = bands
        self._least = min(names.values(), default=0.0)
        self._longest = max(map(len, names), default=0)

    def __bool__(self) -> bool:
        return bool(self._names)

    def of(self, question: str) -> float:
        """That of the longest name in the question; the least there is without one."""
        text = fold(question)
        for length in range(min(self._longest, len(text)), 0, -1):
            best = max(
                (
                    found
                    for start in range(len(text) - length + 1)
                    if (found := self._names.get(text[start : start + length])) is not None
                    and _stands_alone(text, start, start + length)
                ),
                default=None,
            )
            if best is not None:
                return best
        return self._least

    def signal(self, question: str) -> float:
        """As a confidence feature: ln(1 + popularity)."""
        return math.log1p(max(0.0, self.of(question)))

    def band(self, question: str) -> str:
        """The stratum of the question: "1" the least known."""
        value = self.of(question)
        return str(1 + sum(value >= edge for edge in self._bands))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Names in letters that words are made of are not parts of words."""

    def joined(left: str, right: str) -> bool:
        return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()

    before = start > 0 and joined(text[start - 1], text[start])
    after = end < len(text) and joined(text[end - 1], text[end])
    return not (before or after)
