from __future__ import annotations

import math

import pytest

from kg_builder.question import Question
from training.popularity import Popularity, bands_of_names, names_of

NAMES = {"法国": 5.0, "法国大革命": 2.0, "art": 4.0, "the art of war": 3.0, "岳云": 1.0}


@pytest.fixture
def known() -> Popularity:
    return Popularity(NAMES, bands_of_names(NAMES))


@pytest.mark.parametrize(
    ("question", "popularity"),
    [
        ("法国的首都是?", 5.0),
        ("法国大革命发生在哪一年?", 2.0),  # the longest name counts
        ("Who wrote The Art of War?", 3.0),
        ("What is ART?", 4.0),
        ("Who started it?", 1.0),  # "art" is a part of a word there: nobody that is known
        ("蓝色的鸟叫什么?", 1.0),
        ("", 1.0),
    ],
)
def test_a_subject_is_found_by_its_longest_name(
    known: Popularity, question: str, popularity: float
) -> None:
    assert known.of(question) == popularity
    assert known.signal(question) == pytest.approx(math.log1p(popularity))


def test_bands_are_degrees_where_there_are_few(known: Popularity) -> None:
    assert bands_of_names(NAMES) == (2.0, 3.0, 4.0, 5.0)
    assert [known.band(q) for q in ("岳云?", "法国大革命?", "法国?", "?")] == ["1", "2", "5", "1"]


def test_many_degrees_are_cut_into_equal_shares() -> None:
    names = {f"n{i}": float(i) for i in range(100)}
    assert bands_of_names(names) == (20.0, 40.0, 60.0, 80.0)


def test_names_come_from_questions(questions: list[Question]) -> None:
    rated = [q.model_copy(update={"popularity": float(i)}) for i, q in enumerate(questions)]
    found = names_of(rated)
    assert found[rated[-1].subject.casefold()] == float(len(rated) - 1)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_what_is_hardly_known_is_not_used(questions: list[Question]) -> None:
    assert names_of(q.model_copy(update={"popularity": None}) for q in questions) == {}
    assert names_of(q.model_copy(update={"popularity": 3.0}) for q in questions) == {}
    one = [
        q.model_copy(update={"popularity": 1.0 if i < 2 else None}) for i, q in enumerate(questions)
    ]
    assert names_of(one) == {}
    assert not Popularity({}, ())
