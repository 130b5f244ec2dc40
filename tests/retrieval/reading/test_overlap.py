"""Shared runs of characters and words, as levels of every character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.reading.overlap import LEVELS, Runs, units_of

PATIENT = settings(deadline=None)  # the first example loads dictionaries
TEXTS = st.text("临江的城ab cdefgh12.,，父親父亲Ａé\n", max_size=30)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("临江 City", ["临", "江", "city"]),
        ("Ａ１２ 3.14, 1,024.", ["a", "12", "3.14", "1,024"]),
        ("12:30", ["12:30"]),
        ("父親", ["父", "亲"]),
        ("Café don't", ["café", "don", "t"]),
        ("Привет", list("привет")),
        ("…—!", []),
    ],
)
def test_units(text: str, units: list[str]) -> None:
    assert [unit for unit, _, _ in units_of(text)] == units


@pytest.mark.parametrize(
    ("question", "text", "levels"),
    [
        ("临江的城墙何时建成?", "临江的城墙", "44444"),
        ("临江的城", "临江的", "333"),
        ("临江", "临江在", "220"),
        ("临海", "临江", "10"),
        ("江临", "临江", "11"),
        ("Who built the wall?", "the wall", "22222222"),  # a short word and a long one
        ("Who built the wall?", "The built wall", "11102222202222"),
        ("city walls", "city walls", "3333333333"),
        ("establishing", "established", "11111111111"),  # a shared stem
        ("the", "then", "0000"),
        ("1432", "in 1432", "0002222"),
        ("", "临江", "00"),
        ("临江", "", ""),
        ("臨江", "临江", "22"),
        ("ＰＡＲＩＳ", "paris", "22222"),
    ],
)
def test_levels(question: str, text: str, levels: str) -> None:
    assert "".join(map(str, Runs([question]).levels(text))) == levels


def test_a_digit_alone_counts_as_a_short_word_and_a_number_as_a_long_one() -> None:
    assert Runs(["Apollo 7"]).levels("7") == [1]
    assert Runs(["Apollo 11"]).levels("11") == [2, 2]


def test_a_run_covers_the_white_space_between_its_words() -> None:
    assert Runs(["Mount Everest"]).levels("Mount  Everest!") == [3] * 14 + [0]


def test_runs_do_not_go_on_from_one_text_to_the_next() -> None:
    assert Runs(["临", "江"]).levels("临江") == [1, 1]


@PATIENT
@given(st.lists(TEXTS, max_size=3), TEXTS)
def test_every_character_has_a_level(texts: list[str], text: str) -> None:
    levels = Runs(texts).levels(text)
    assert len(levels) == len(text)
    assert all(0 <= level < LEVELS for level in levels)


@PATIENT
@given(TEXTS)
def test_a_text_holds_every_unit_of_itself(text: str) -> None:
    levels = Runs([text]).levels(text)
    assert all(min(levels[start:end]) >= 1 for _, start, end in units_of(text))


@PATIENT
@given(TEXTS, TEXTS, TEXTS)
def test_more_to_compare_with_never_lowers_a_level(one: str, other: str, text: str) -> None:
    alone, together = Runs([one]).levels(text), Runs([one, other]).levels(text)
    assert all(a <= b for a, b in zip(alone, together, strict=True))


@PATIENT
@given(TEXTS, TEXTS)
def test_case_does_not_matter(one: str, text: str) -> None:
    assert Runs([one.upper()]).levels(text) == Runs([one]).levels(text.upper())
