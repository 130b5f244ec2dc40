"""Splits: train, calibration and test, disjoint by entity, chosen by hash.

An entity's split is a function of its id, the seed and the shares alone, so adding facts or
entities never moves one. All questions whose subject is the entity, in both languages and all
wordings, go with it. In sources without ids, entities that share a name have one split, that of the
first of them (bulk/entities.py).

What counts as a leak. A subject in one split may be an object in another: that 苏轼's father is
苏洵 tells nothing about 苏洵's own dynasty, and two poets may share a dynasty. It leaks where a
pair is told in both directions: (苏轼, father, 苏洵) in train answers (苏洵, son, 苏轼) in test,
and so does any symmetric relation (spouse, twin city). Whatever the two relations are called, a
fact a→b leaks into a fact b→a. Of such a pair in different splits only the question in the split
that measures more is kept: test before calibration before train. Nothing is moved, so the rest
stays stable; the dropped questions are counted as ``LEAK``.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kg_builder.question import Split

LEAK = "the reverse of a fact in another split"
PRECEDENCE: dict[Split, int] = {"train": 0, "calibration": 1, "test": 2}

T = TypeVar("T")


class Shares(BaseModel):
    """What part of the entities goes to each split. They sum to one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: float = Field(default=0.45, ge=0, le=1)
    calibration: float = Field(default=0.25, ge=0, le=1)
    test: float = Field(default=0.30, ge=0, le=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Shares:
        total = self.train + self.calibration + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the split shares sum to {total:g}; they must sum to 1")
        return self


def unit_hash(text: str, salt: str) -> float:
    """A number in [0, 1) that depends on the text and the salt alone.

    The first 13 hex digits of the MD5 (52 bits: exact in a double), so that SQL can say the same.
    """
    digest = hashlib.md5(f"{salt}\t{text}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:13], 16) / float(1 << 52)


def split_salt(seed: int) -> str:
    return f"split:{seed}"


def split_of(entity_id: str, shares: Shares | None = None, seed: int = 0) -> Split:
    """The split of an entity."""
    shares = shares or Shares()
    point = unit_hash(entity_id, split_salt(seed))
    if point < shares.train:
        return "train"
    return "calibration" if point < shares.train + shares.calibration else "test"


def held_out_relations(relation_ids: Iterable[str], share: float, seed: int = 0) -> frozenset[str]:
    """Relations to be asked in the test split only, for a relation-disjoint test.

    Chosen by hash like entities, so a relation stays held out when others are added. At a share
    of 0 there are none.
    """
    return frozenset(one for one in relation_ids if unit_hash(one, f"relation:{seed}") < share)


def matched_pairs(
    known: Sequence[T],
    unknown: Sequence[T],
    *,
    stratum: Callable[[T], object],
    popularity: Callable[[T], float | None],
    caliper: float = 0.0,
) -> list[tuple[T, T]]:
    """Pair known with unknown items of one stratum whose popularity differs by at most ``caliper``.

    For the surface-form audit: within such pairs neither the relation's wording nor how famous the
    subject is says which one the model knows, so a refusal that still tells them apart looks at
    knowledge. Items without a popularity are left out. Walking both sides in rising order gives a
    largest possible matching, since the compatible items of each form an interval.
    """
    strata: dict[object, tuple[list[T], list[T]]] = {}
    for side, items in enumerate((known, unknown)):
        for item in items:
            if popularity(item) is not None:
                strata.setdefault(stratum(item), ([], []))[side].append(item)

    def rank(item: T) -> float:
        return popularity(item) or 0.0

    pairs: list[tuple[T, T]] = []
    for left, right in strata.values():
        left.sort(key=rank)
        right.sort(key=rank)
        ranks = [rank(item) for item in right]
        start = 0
        for item in left:
            start = max(start, bisect_left(ranks, rank(item) - caliper, lo=start))
            if start < len(right) and ranks[start] <= rank(item) + caliper:
                pairs.append((item, right[start]))
                start += 1
    return pairs
