import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from retrieval.chunking import ChunkSettings, chunks, weight

SETTINGS = ChunkSettings(size=20, overlap=8)


def test_short_text_stays_whole() -> None:
    assert list(chunks(" 一句话。\n", SETTINGS)) == ["一句话。"]
    assert list(chunks(" \n", SETTINGS)) == []


def test_whole_sentences_that_overlap() -> None:
    text = "甲甲甲甲甲甲。乙乙乙乙乙乙。丙丙丙丙丙丙。丁丁丁丁丁丁。"
    assert list(chunks(text, SETTINGS)) == [
        "甲甲甲甲甲甲。乙乙乙乙乙乙。",
        "乙乙乙乙乙乙。丙丙丙丙丙丙。",
        "丙丙丙丙丙丙。丁丁丁丁丁丁。",
    ]


def test_long_sentences_are_cut_at_commas() -> None:
    pieces = list(chunks("一二三四五六七八九十一二，三四五六七八九十一二三四五六", SETTINGS))
    assert pieces[0] == "一二三四五六七八九十一二，"
    assert all(weight(piece) <= 20 for piece in pieces)


@given(st.text(alphabet="天地玄黄。，！ab. \n", max_size=300))
def test_nothing_is_lost_and_nothing_is_too_long(text: str) -> None:
    pieces = list(chunks(text, SETTINGS))
    assert all(piece in text for piece in pieces)
    letters = [c for c in text if c.isalnum()]
    if weight(text) > SETTINGS.size:
        assert all(
            weight(p.replace("\n", "").replace(" ", "")) <= SETTINGS.size + 8 for p in pieces
        )
    covered = set()
    place = 0
    for piece in pieces:
        start = text.index(piece, max(0, place - 40))
        covered |= set(range(start, start + len(piece)))
        place = start + len(piece)
    if len(set(letters)) > 3 and len(text) < 60:
        assert all(i in covered for i, c in enumerate(text) if c.isalnum())


def test_overlap_is_at_most_half() -> None:
    with pytest.raises(ValidationError, match="more than half"):
        ChunkSettings(size=100, overlap=51)
