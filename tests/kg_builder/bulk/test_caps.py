from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg_builder.bulk.caps import FEWEST, caps

SHARES = {"pair_share": 0.03, "answer_share": 0.35, "relation_share": 0.25}
COUNTS = st.dictionaries(
    st.sampled_from([f"r{n}" for n in range(12)]),
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    min_size=1,
)


@given(COUNTS, st.none() | st.integers(1, 500))
def test_the_shares_hold_of_what_is_left(sizes: dict[str, list[int]], limit: int | None) -> None:
    counts = {rel: Counter(found) for rel, found in sizes.items()}
    found = caps(counts, limit=limit, **SHARES)
    left = {
        rel: min(sum(min(n, found[rel].answer) for n in sizes[rel]), found[rel].relation)
        for rel in sizes
    }
    total = sum(left.values()) if limit is None else min(sum(left.values()), limit)
    shared = max(0.25, 2 / len(sizes))
    for rel, cap in found.items():
        assert min(cap.answer, max(sizes[rel])) <= max(FEWEST, 0.03 * total)
        assert left[rel] <= max(FEWEST, shared * total)


def test_few_questions_are_left_alone() -> None:
    assert caps({"a": {3: 2}, "b": {1: 5}}, **SHARES)["a"].answer == 3


@pytest.mark.parametrize(("share", "kept"), [(0.35, True), (0.2, False)])
def test_an_answer_is_no_more_than_its_share_of_the_relation(share: float, kept: bool) -> None:
    counts = {"a": {30: 1, 1: 70}, **{f"b{n}": {1: 500} for n in range(10)}}
    found = caps(counts, pair_share=1, answer_share=share, relation_share=1)
    assert (found["a"].answer == 30) is kept
    assert found["a"].answer <= share * (70 + found["a"].answer)
