import pytest

from kg_builder.matching.normalise import plain
from kg_builder.matching.numbers import numerals
from kg_builder.matching.shares import shares


def _shares(text):
    return [share.value for share in shares(plain(text), numerals(plain(text)))]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("百分之三十", [0.3]),
        ("千分之五", [0.005]),
        ("三分之二", [2 / 3]),
        ("四成", [0.4]),
        ("七成五", [0.75]),
        ("三成半", [0.35]),
        ("3成", [0.3]),
        ("半数", [0.5]),
        ("2/3", [2 / 3]),
        ("two thirds", [2 / 3]),
        ("one-quarter and three fifths", [0.25, 0.6]),
    ],
)
def test_shares(text, values):
    assert _shares(text) == pytest.approx(values)


@pytest.mark.parametrize(
    "text", ["三成员", "二成为一", "5/3", "1/2/1990", "2020/3", "24/7", "the second third", "five"]
)
def test_no_share(text):
    assert _shares(text) == []
