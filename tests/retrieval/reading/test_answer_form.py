"""Spans as answers would be said."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrieval.reading.answer_form import answer_span

ALPHABET = "岳飞ab12一年km .,，。、-《》“”()（）'\"[·"


@pytest.mark.parametrize(
    ("text", "span", "answer"),
    [
        # Loose punctuation at the ends.
        ("他的父亲是岳飞。", "岳飞。", "岳飞"),
        ("， 岳飞 ，", "， 岳飞 ，", "岳飞"),
        ("It is Paris, the capital.", " Paris,", "Paris"),
        ("气温-5度", "-5度", "-5度"),
        ("- five", "- five", "five"),
        ("born in the U.S. in 1900", "U.S.", "U.S."),
        ("Martin Luther King Jr. spoke", "Martin Luther King Jr.", "Martin Luther King Jr."),
        ("It was Paris.", "Paris.", "Paris"),
        # Whole Latin words and numbers.
        ("He came from Venezuela.", "Venez", "Venezuela"),
        ("Röntgen found it", "ntg", "Röntgen"),
        ("Pi is 3.14159 or so", "3.1", "3.14159"),
        ("1,024 people", "024", "1,024"),
        ("at 12:30 sharp", "12", "12:30"),
        ("Rock'n'Roll", "Rock", "Rock'n'Roll"),
        ("the Boeing 747-400 flew", "747", "747-400"),
        ("One. Two", "One", "One"),
        # A number's unit.
        ("面积1200平方公里，", "1200", "1200平方公里"),
        ("2008年5月3日开幕", "2008", "2008年"),
        ("约三十万人口", "三十万", "三十万人"),
        ("It is 8,848 metres high", "8,848", "8,848 metres"),
        ("It is 5 km away", "5", "5 km"),
        ("5 kmart shops", "5", "5"),
        ("It takes 5 males", "5", "5"),
        # Title marks, quotation marks, brackets.
        ("他写了《夜航书》。", "夜航书", "《夜航书》"),
        ("他写了《夜航书》。", "《夜航书", "《夜航书》"),
        ("他写了《夜航书》。", "夜航书》", "《夜航书》"),
        ("他说“不去”了", "不去”", "“不去”"),
        ("the Health Union (HU) says", "Health Union (HU", "Health Union (HU)"),
        ("柳如烟（生于海宁）", "柳如烟（生于海宁", "柳如烟（生于海宁）"),
        ("柳如烟（" + "又" * 30, "柳如烟（又", "柳如烟"),
        ("(岳飞" + "又" * 30, "(岳飞", "岳飞"),
    ],
)  # fmt: skip
def test_form(text: str, span: str, answer: str) -> None:
    at = text.index(span)
    start, end = answer_span(text, at, at + len(span))
    assert text[start:end] == answer


@pytest.mark.parametrize("text", ["", " ", "，。", "-", "——", "…"])
def test_marks_alone_are_no_answer(text: str) -> None:
    start, end = answer_span(text, 0, len(text))
    assert start == end


def test_an_unclosed_bracket_after_a_closed_one_goes_with_what_follows_it() -> None:
    text = "柳((甲)乙"
    start, end = answer_span(text, 0, len(text))
    assert not text[start:end].endswith("(")


@st.composite
def spans(draw: st.DrawFn) -> tuple[str, int, int]:
    text = draw(st.text(ALPHABET, max_size=20))
    start = draw(st.integers(0, len(text)))
    return text, start, draw(st.integers(start, len(text)))


@given(spans())
def test_a_span_stays_in_the_text(span: tuple[str, int, int]) -> None:
    text, start, end = span
    found = answer_span(text, start, end)
    assert 0 <= found[0] <= found[1] <= len(text)


@given(spans())
@example(("(，(岳", 0, 4))
def test_a_span_with_a_word_is_never_lost(span: tuple[str, int, int]) -> None:
    text, start, end = span
    found = answer_span(text, start, end)
    if any(character.isalnum() for character in text[start:end]):
        assert any(character.isalnum() for character in text[found[0] : found[1]])


@given(spans())
def test_no_latin_word_and_no_number_is_cut(span: tuple[str, int, int]) -> None:
    text, start, end = span
    start, end = answer_span(text, start, end)

    def latin(place: int) -> bool:
        return 0 <= place < len(text) and text[place].isascii() and text[place].isalnum()

    if start < end:
        assert not (latin(start - 1) and latin(start))
        assert not (latin(end - 1) and latin(end))
