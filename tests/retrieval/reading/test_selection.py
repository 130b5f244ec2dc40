"""Which sentences are read, and the way back to where they stand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.chunking import weight
from retrieval.reading.selection import Piece, Selected, select
from retrieval.reading.span_reader import Text

PATIENT = settings(deadline=None)  # the first example loads dictionaries
PARTS = st.lists(
    st.sampled_from(
        ["临江在东海道。", "It is a port. ", "海宁城建于1432年！", "\n", "  ", "……", "No stop", "他走了；"]
    ),
    max_size=10,
).map("".join)  # fmt: skip
TEXTS = st.lists(st.builds(Text, st.sampled_from(["", "临江"]), PARTS), max_size=4)
LONG = "临江是一座城。" + "城里有很多人家。" * 20 + "城墙建于1432年。" + "冬天常常下雪。" * 20


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_what_fits_is_read_whole() -> None:
    texts = [Text("临江", "临江在东海道。\n\n它很大。"), Text("", "")]
    assert select("临江在哪?", texts, 100) == [
        Selected(texts[0], (Piece(0, len(texts[0].text), 0),)),
        Selected(texts[1], (Piece(0, 0, 0),)),
    ]


def test_the_sentence_that_the_question_names_is_read_with_its_neighbours() -> None:
    (chosen,) = select("临江的城墙建于哪一年?", [Text("临江", LONG)], 40)
    assert "城里有很多人家。城墙建于1432年。冬天常常下雪。" in chosen.text.text
    assert chosen.text.title == "临江"
    assert len(chosen.text.text) <= 40


def test_an_earlier_passage_is_read_first_where_both_say_the_same() -> None:
    first, second = select("城墙建于哪一年?", [Text("甲", LONG), Text("乙", LONG)], 10)
    assert "城墙" in first.text.text
    assert second.text.text == ""


def test_a_passage_that_is_not_chosen_is_empty() -> None:
    chosen = select("临江的城墙建于哪一年?", [Text("", LONG), Text("", "Nothing of it. " * 30)], 30)
    assert chosen[1] == Selected(Text("", ""), ())


def test_a_sentence_longer_than_the_budget_is_not_read() -> None:
    (chosen,) = select("临江?", [Text("", "临江" * 50 + "。大。")], 20)
    assert chosen.text.text == "大。"


def test_a_span_is_cut_where_its_stretch_ends() -> None:
    chosen = Selected(Text("", "甲乙丙 丁戊"), (Piece(0, 3, 0), Piece(10, 12, 4)))
    assert chosen.original(1, 2) == (1, 2)
    assert chosen.original(1, 6) == (1, 3)
    assert chosen.original(4, 6) == (10, 12)
    assert chosen.original(3, 5) == (10, 11)  # the space between two stretches belongs to the next
    with pytest.raises(ValueError, match=r"\(6, 7\)"):
        chosen.original(6, 7)


@PATIENT
@given(PARTS, TEXTS, st.floats(0, 60))
def test_what_is_read_stands_in_the_passage(
    question: str, texts: list[Text], budget: float
) -> None:
    chosen = select(question, texts, budget)
    assert [one.text.title for one in chosen] == [text.title for text in texts]
    for one, text in zip(chosen, texts, strict=True):
        covered = [False] * len(one.text.text)
        for piece in one.pieces:
            length = piece.end - piece.start
            stretch = one.text.text[piece.at : piece.at + length]
            assert stretch == text.text[piece.start : piece.end]
            for place in range(length):
                start, end = one.original(piece.at + place, piece.at + place + 1)
                assert text.text[start:end] == one.text.text[piece.at + place]
                covered[piece.at + place] = True
        # Between stretches there is nothing but a space.
        assert all(here or c == " " for here, c in zip(covered, one.text.text, strict=True))
        ends = [(piece.start, piece.end) for piece in one.pieces]
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(ends))


@PATIENT
@given(PARTS, TEXTS, st.floats(0, 60))
def test_the_budget_is_kept(question: str, texts: list[Text], budget: float) -> None:
    read = select(question, texts, budget)
    assert sum(weight(squeezed(one.text.text)) for one in read) <= budget + 1e-9


@PATIENT
@given(PARTS, TEXTS, st.floats(0, 60))
def test_the_same_is_chosen_again(question: str, texts: list[Text], budget: float) -> None:
    assert select(question, texts, budget) == select(question, texts, budget)
