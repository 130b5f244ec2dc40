import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg_builder.documents import PASSAGE_LENGTH, DocumentError, cut, linked_passages, named_in

NAMES = {"李白": "Q1", "李白洞": "Q2", "Iran": "Q3", "杜甫": "Q4"}


def test_names_are_found_the_longest_first_and_whole() -> None:
    assert named_in("杜甫与李白同游李白洞。", NAMES) == ("Q4", "Q1", "Q2")
    assert named_in("Tirana lies in Albania, not in Iran.", NAMES) == ("Q3",)
    assert named_in("Tirana", NAMES) == ()
    assert named_in("", NAMES) == ()


@given(st.text(alphabet="字句。！\n a", max_size=1500))
def test_cutting_loses_nothing_but_blanks(text: str) -> None:
    pieces = cut(text)
    assert all(0 < len(piece) <= PASSAGE_LENGTH for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_documents_become_passages(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("李白是诗人。" * 100, encoding="utf-8")
    record = {"title": "杜甫", "text": "生于巩县。", "url": "https://example.org/x"}
    (tmp_path / "b.jsonl").write_text(json.dumps(record), encoding="utf-8")
    passages = list(linked_passages([tmp_path / "a.txt", tmp_path / "b.jsonl"], NAMES, "zh"))
    assert len(passages) == 3
    assert passages[0].entities == ("Q1",)
    assert (passages[2].title, passages[2].url, passages[2].entities) == (
        "杜甫",
        "https://example.org/x",
        ("Q4",),
    )
    assert len({passage.id for passage in passages}) == 3


def test_documents_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"title": "x"}', encoding="utf-8")
    (tmp_path / "c.txt").write_bytes(b"\xff")
    for path, message in (("a.txt", "No such file"), ("b.jsonl", "no text"), ("c.txt", "UTF-8")):
        with pytest.raises(DocumentError, match=message):
            list(linked_passages([tmp_path / path], NAMES, "zh"))
