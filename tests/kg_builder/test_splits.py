from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kg_builder.splits import (
    Shares,
    held_out_relations,
    matched_pairs,
    split_of,
    unit_hash,
)

NAMES = [f"实体{number}" for number in range(4000)]


def test_the_shares_are_met() -> None:
    splits = [split_of(name) for name in NAMES]
    for split, share in (("train", 0.45), ("calibration", 0.25), ("test", 0.30)):
        assert splits.count(split) / len(NAMES) == pytest.approx(share, abs=0.025)


def test_a_split_depends_on_the_entity_and_the_seed_alone() -> None:
    assert [split_of(n) for n in NAMES] == [split_of(n) for n in reversed(NAMES)][::-1]
    assert [split_of(n, seed=1) for n in NAMES] != [split_of(n, seed=2) for n in NAMES]
    # A change here would move entities between the splits of everybody's data.
    assert [split_of(n) for n in ("法国", "李白", "Q42")] == ["train", "test", "train"]


def test_shares_must_sum_to_one() -> None:
    with pytest.raises(ValidationError, match=r"sum to 0\.9"):
        Shares(train=0.5, calibration=0.2, test=0.2)
    assert split_of("任何", Shares(train=0, calibration=0, test=1)) == "test"


def test_held_out_relations_stay_held_out_when_others_are_added() -> None:
    relations = [f"r{number}" for number in range(300)]
    held = held_out_relations(relations, 0.2)
    assert 30 <= len(held) <= 90
    assert held == held_out_relations([*relations, "new"], 0.2) - {"new"}
    assert held_out_relations(relations, 0) == frozenset()


def best_matching(left: list[float], right: list[float], caliper: float) -> int:
    """The largest matching by trying everything."""
    if not left:
        return 0
    head, *rest = left
    tried = [best_matching(rest, right, caliper)]
    for index, value in enumerate(right):
        if abs(value - head) <= caliper:
            tried.append(1 + best_matching(rest, right[:index] + right[index + 1 :], caliper))
    return max(tried)


@given(
    st.lists(st.integers(0, 6), max_size=5),
    st.lists(st.integers(0, 6), max_size=5),
    st.integers(0, 2),
)
def test_matching_is_as_large_as_it_can_be(left: list[int], right: list[int], wide: int) -> None:
    pairs = matched_pairs(
        [float(v) for v in left],
        [float(v) for v in right],
        stratum=lambda _: 0,
        popularity=lambda v: v,
        caliper=wide,
    )
    assert all(abs(a - b) <= wide for a, b in pairs)
    assert len(pairs) == best_matching([float(v) for v in left], [float(v) for v in right], wide)


def test_pairs_stay_within_a_relation_and_leave_out_unknown_popularity() -> None:
    known = [("capital", 5.0), ("author", 3.0), ("author", None)]
    unknown = [("capital", 5.0), ("author", 4.0), ("author", None)]
    pairs = matched_pairs(known, unknown, stratum=lambda x: x[0], popularity=lambda x: x[1])
    assert pairs == [(("capital", 5.0), ("capital", 5.0))]


def test_the_hash_is_uniform_enough_and_in_range() -> None:
    values = [unit_hash(name, salt) for name, salt in product(NAMES[:500], ("a", "b"))]
    assert 0 <= min(values) < 0.02
    assert 0.98 < max(values) < 1
