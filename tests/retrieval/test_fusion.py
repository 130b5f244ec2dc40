import math

import pytest

from retrieval.fusion import fuse, title_scores


def test_adds_scores_as_shares() -> None:
    fused = fuse([("x", 8.0), ("y", 6.0)], [("y", 0.9), ("z", 0.7), ("x", 0.5)], {}, 0.5)
    assert [passage for passage, _ in fused] == ["y", "x", "z"]
    assert dict(fused) == pytest.approx({"y": 0.75 + 0.5, "x": 1.0, "z": 0.25})


def test_a_clear_lead_in_words_stands_against_the_vectors() -> None:
    dense = [("y", 0.9), ("z", 0.3), ("x", 0.2)]
    assert fuse([("x", 8.0), ("y", 6.0)], dense, {}, 0.1)[0][0] == "x"
    assert fuse([("x", 8.0), ("y", 7.9)], dense, {}, 0.1)[0][0] == "y"


@pytest.mark.parametrize(("factor", "shift"), [(0.1, 0.0), (1.0, 0.5)])
def test_the_scale_of_the_cosines_does_not_matter(factor: float, shift: float) -> None:
    lexical = [("x", 8.0), ("y", 7.5)]
    dense = [("y", 0.9), ("z", 0.5), ("x", 0.1)]
    moved = [(passage, factor * cosine + shift) for passage, cosine in dense]
    assert dict(fuse(lexical, moved, {}, 0.3)) == pytest.approx(dict(fuse(lexical, dense, {}, 0.3)))


def test_a_title_adds_to_the_words() -> None:
    lexical = [("x", 8.0), ("y", 6.0), ("z", 5.0)]
    assert fuse(lexical, [], {"y": 1.0}, 0.1)[0][0] == "x"
    assert fuse(lexical, [], {"y": 3.0}, 0.1)[0][0] == "y"
    # One that the list does not reach counts as its last one.
    assert dict(fuse(lexical, [], {"w": 5.0}, 0.1)) == pytest.approx(
        {"w": 1.0, "x": 0.8, "y": 0.6, "z": 0.5}
    )


def test_without_words_the_vectors_decide() -> None:
    assert [p for p, _ in fuse([], [("a", 0.4), ("b", 0.3)], {}, 0.1)] == ["a", "b"]
    assert fuse([], [("a", 0.4)], {}, 0.1) == [("a", 0.1)]


def test_ties_keep_their_order() -> None:
    assert [p for p, _ in fuse([("b", 2.0), ("a", 2.0)], [], {}, 0.1)] == ["b", "a"]


def test_nothing_found_anywhere() -> None:
    assert fuse([], [], {}, 0.1) == []


def test_a_title_is_worth_its_inverse_document_frequency() -> None:
    named = [(1, "重庆"), (2, "重庆"), (3, "关原之战")]
    scores = title_scores(named, 100)
    assert scores[1] == scores[2] == pytest.approx(math.log(1 + 98.5 / 2.5))
    assert scores[3] == pytest.approx(math.log(1 + 99.5 / 1.5))


def test_a_count_that_lags_behind_does_no_harm() -> None:
    assert title_scores([("a", "t"), ("b", "t")], 0)["a"] > 0
