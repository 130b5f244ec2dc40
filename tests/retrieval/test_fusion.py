import pytest

from retrieval.fusion import reciprocal_rank_fusion


def test_sums_reciprocal_ranks() -> None:
    fused = reciprocal_rank_fusion({"a": ["x", "y"], "b": ["y", "z"]}, k=60)
    assert [item for item, _ in fused] == ["y", "x", "z"]
    assert fused[0][1] == pytest.approx(1 / 62 + 1 / 61)


def test_weights_decide_between_equals() -> None:
    rankings = {"a": ["x"], "b": ["y"]}
    assert reciprocal_rank_fusion(rankings, {"a": 1, "b": 2})[0][0] == "y"
    assert reciprocal_rank_fusion(rankings)[0][0] == "x"


def test_nothing_found_anywhere() -> None:
    assert reciprocal_rank_fusion({"a": [], "b": []}) == []
