"""Caps: how many questions a relation, and an answer within it, may have.

What half of a relation's facts answer is guessed, not known: a set in which 国籍 = 中国 is a tenth of
the questions measures guessing. Which questions stay is decided by hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

FEWEST = 3  # of one answer to a relation: a share says nothing of a handful of questions


class Cap(NamedTuple):
    """At most so many questions of a relation have the same answer, and so many it has in all."""

    answer: int
    relation: int


def caps(
    counts: Mapping[str, Mapping[int, int]],
    *,
    pair_share: float,
    answer_share: float,
    relation_share: float,
    limit: int | None = None,
) -> dict[str, Cap]:
    """The caps of each relation, such that the shares hold of what is left.

    Args:
        counts: by relation, how many of its answers are those of 1, 2, … questions.
        pair_share: what part of all questions one answer to one relation may be.
        answer_share: what part of its relation's questions one answer may be.
        relation_share: what part of all questions one relation may be; where there are few relations,
            twice its equal share.
        limit: how many questions there are to be at most.
    """
    within = {rel: _within(found, answer_share) for rel, found in counts.items()}
    shared = max(relation_share, 2 / max(len(counts), 1))
    total = _total({rel: Cap(most, _all(counts[rel])) for rel, most in within.items()}, counts)
    while True:
        aim = total if limit is None else min(total, limit)
        pair = max(int(pair_share * aim), FEWEST)
        found = {
            rel: Cap(min(most, pair), max(int(shared * aim), FEWEST))
            for rel, most in within.items()
        }
        left = _total(found, counts)
        if left >= aim:
            return found
        total = left


def _within(counts: Mapping[int, int], share: float) -> int:
    """The greatest cap on an answer that is at most its share of what it leaves of the relation.

    A relation of so few answers that one of them must be more than its share has no such cap.
    """
    low, high = FEWEST, max(counts)
    if high <= low or sum(counts.values()) * share < 1 or high <= share * _all(counts):
        return high
    while high - low > 1:  # what is left grows ever more slowly with the cap
        middle = (low + high) // 2
        low, high = (middle, high) if middle <= share * _left(counts, middle) else (low, middle)
    return low


def _left(counts: Mapping[int, int], cap: int) -> int:
    return sum(answers * min(size, cap) for size, answers in counts.items())


def _all(counts: Mapping[int, int]) -> int:
    return sum(answers * size for size, answers in counts.items())


def _total(found: Mapping[str, Cap], counts: Mapping[str, Mapping[int, int]]) -> int:
    return sum(min(_left(counts[rel], cap.answer), cap.relation) for rel, cap in found.items())
