"""Exact match and F1 as the scorers of CMRC 2018 and SQuAD 1.1 have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.reading.scoring import exact_match, f1

CHINESE = st.text("临江海宁城a1，。《》 ", max_size=10).map(lambda text: "江" + text)
ENGLISH = st.lists(st.sampled_from(["a", "the", "Harbour", "of", "Linjiang", "1432", "."])).map(
    " ".join
)


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("《夜航书》", "夜航书", True),
        ("夜 航书。", "夜航书", True),
        ("夜航书", "夜航", False),
        ("GDP增长", "gdp增长", True),
        ("The Harbour", "harbour", True),
        ("Saint-Denis", "SaintDenis", True),
        ("a theatre", "theatre", True),
        ("theatre", "the theatre", True),
        ("atheatre", "theatre", False),
        ("", "临江", False),
        ("...", "", True),
    ],
)
def test_exact_match(answer: str, reference: str, same: bool) -> None:
    assert exact_match(answer, [reference]) is same
    assert exact_match(answer, ["临海道", reference]) is same


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("东海道", "东海道", 1.0),
        ("东海", "东海道", 0.8),  # two characters of two and of three
        ("东道", "东海道", 0.4),  # the longest common substring is one character
        ("西湖", "东海道", 0.0),
        ("1432年", "1432年", 1.0),
        ("1432", "1432年", 2 / 3),  # a number is one token
        ("Harbour of Linjiang", "the Linjiang harbour", 0.8),  # a bag of words
        ("Linjiang Linjiang", "Linjiang", 2 / 3),
        ("London", "Paris", 0.0),
    ],
)
def test_f1(answer: str, reference: str, score: float) -> None:
    assert f1(answer, [reference]) == pytest.approx(score)


def test_the_best_reference_counts() -> None:
    assert f1("东海", ["西湖", "东海", "东海道"]) == 1.0
    assert f1("东海", []) == 0.0
    assert not exact_match("东海", [])


@pytest.mark.parametrize("texts", [CHINESE, ENGLISH], ids=["zh", "en"])
def test_bounds_and_symmetry(texts: st.SearchStrategy[str]) -> None:
    @given(texts, texts)
    def check(one: str, other: str) -> None:
        score = f1(one, [other])
        assert 0.0 <= score <= 1.0
        assert score == pytest.approx(f1(other, [one]))
        assert exact_match(one, [other]) == exact_match(other, [one])
        assert f1(one, [one]) == 1.0
        assert exact_match(one, [one])
        if exact_match(one, [other]):
            assert score == 1.0

    check()
