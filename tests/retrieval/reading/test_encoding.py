"""Text to token ids with offsets and types. The tokenizer is the one that comes with the reader."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from retrieval.errors import RetrievalError
from retrieval.reading.encoding import QUESTION_TOKENS, TITLE_TOKENS, TOKENIZER, Encoder
from retrieval.reading.overlap import LEVELS
from retrieval.reading.span_reader import FOLDER

PATIENT = settings(deadline=None)  # the first example loads dictionaries
TEXTS = st.text("临江的城墙建于1432年。 Linjg臨，\n《》é😀", max_size=60)


@cache
def loaded() -> Encoder:
    return Encoder.load(FOLDER)


@pytest.fixture
def encoder() -> Encoder:
    return loaded()


def covered(text: str, offsets: list[tuple[int, int]]) -> str:
    """The characters of the tokens; the mark before the first word lies over its first character."""
    places = {place for start, end in offsets for place in range(start, end)}
    return "".join(text[place] for place in sorted(places))


def test_an_input_is_question_title_and_text(encoder: Encoder) -> None:
    (window,) = encoder.windows("临江在哪里?", "临江", "临江位于东海道。")
    asked, title, text = encoder.inputs("临江在哪里?", "临江", "临江位于东海道。")
    assert title is not None
    stop = encoder.stop
    assert window.ids == [encoder.start, *asked.ids, stop, *title.ids, stop, *text.ids, stop]
    assert window.ids[window.first : window.first + len(window.offsets)] == text.ids
    assert window.offsets == text.offsets
    assert covered("临江位于东海道。", window.offsets) == "临江位于东海道。"


@pytest.mark.parametrize("title", ["", " \n"])
def test_no_title_takes_no_place(encoder: Encoder, title: str) -> None:
    (window,) = encoder.windows("临江?", title, "临江")
    assert window.ids.count(encoder.stop) == 2


def test_a_type_says_side_and_shared_run(encoder: Encoder) -> None:
    (window,) = encoder.windows("临江的城墙?", "临江", "城墙在此。")
    count = len(encoder.inputs("临江的城墙?", "临江", "城墙在此。").question.ids)
    assert window.types[0] == 0
    assert all(kind < LEVELS for kind in window.types[: count + 2])
    assert all(kind >= LEVELS for kind in window.types[count + 2 :])
    # The text holds a run of two characters of the question, and three that it does not hold.
    levels = {kind - LEVELS for kind in window.types[window.first : -1]}
    assert levels == {0, 2}
    assert len(window.types) == len(window.ids)


def test_traditional_and_wide_characters_are_read_like_simplified_ones(encoder: Encoder) -> None:
    one = encoder.windows("臨江的城牆建於哪一年？", "臨江", "城牆建於１４３２年。")
    other = encoder.windows("临江的城墙建于哪一年?", "临江", "城墙建于1432年。")
    assert one == other


def test_case_is_kept(encoder: Encoder) -> None:
    assert encoder.windows("?", "", "May") != encoder.windows("?", "", "may")


def test_a_long_question_and_title_are_cut(encoder: Encoder) -> None:
    (window,) = encoder.windows("城墙何时建成?" * 60, "临江城志" * 40, "建于1432年。")
    assert window.first == 1 + QUESTION_TOKENS + 1 + TITLE_TOKENS + 1
    assert covered("建于1432年。", window.offsets) == "建于1432年。"


def test_a_long_text_is_read_in_windows_that_overlap(encoder: Encoder) -> None:
    text = "".join(f"第{number}座城的城墙建于{1400 + number}年。" for number in range(120))
    windows = encoder.windows("城墙建于哪一年?", "城志", text)
    assert len(windows) > 2
    every = encoder.inputs("城墙建于哪一年?", "城志", text).text.offsets
    at = 0
    for number, window in enumerate(windows):
        assert len(window.ids) == len(window.types) <= encoder.limit
        start = every.index(window.offsets[0])
        assert window.offsets == every[start : start + len(window.offsets)]
        assert start == (0 if number == 0 else at - 96)
        at = start + len(window.offsets)
    assert at == len(every)


@pytest.mark.parametrize(("beyond", "count"), [(-1, 1), (0, 1), (1, 2)])
def test_a_text_that_just_fits_is_one_window(encoder: Encoder, beyond: int, count: int) -> None:
    room = encoder.limit - len(encoder.inputs("何时?", "", "城").question.ids) - 3
    text = ""
    while len(encoder.inputs("何时?", "", text).text.ids) < room + beyond:
        text += "1,"[len(text) % 2]
    assert len(encoder.windows("何时?", "", text)) == count


@PATIENT
@given(TEXTS, TEXTS, TEXTS)
def test_offsets_and_types_are_those_of_the_text(question: str, title: str, text: str) -> None:
    (window,) = loaded().windows(question, title, text)
    assert len(window.types) == len(window.ids)
    assert all(0 <= kind < 2 * LEVELS for kind in window.types)
    assert all(0 <= start <= end <= len(text) for start, end in window.offsets)
    starts = [start for start, _ in window.offsets]
    assert starts == sorted(starts)
    assert "".join(covered(text, window.offsets).split()) == "".join(text.split())


def test_another_tokenizer_is_refused() -> None:
    tokenizer = Tokenizer(models.WordLevel({"[CLS]": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(RetrievalError, match="<s>"):
        Encoder(tokenizer)


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_no_tokenizer_is_told(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / TOKENIZER).write_text(text, encoding="utf-8")
    with pytest.raises(RetrievalError, match=TOKENIZER):
        Encoder.load(tmp_path)
