"""Damaged files of every kind: each costs itself, none ends in a traceback, none is lost silently."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.documents import read_document
from tests.retrieval.documents.samples import every_kind

KINDS = every_kind()
MUTATIONS = 4  # of each file; PDFs, which break in the most ways, have five times as many


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some changed, cut out or put in, or without their end."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 3, 20))):
        place = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0:
                found[place : place + 1] = chance.randbytes(1)
            case 1:
                del found[place : place + chance.randrange(30)]
            case 2:
                found[place:place] = chance.randbytes(chance.randrange(12))
            case _:
                other = chance.randrange(len(found) + 1)
                found[place : place + 8] = found[other : other + 8]
    return bytes(found[: chance.randrange(len(found) + 1)] if chance.random() < 0.2 else found)


def reads(name: str, data: bytes) -> None:
    found = read_document(name, data, ocr=False)
    assert found.passages or found.left_out
    found.model_dump_json().encode()  # no half of a pair of surrogates is left
    for left in found.left_out:
        assert "\n" not in str(left)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_damaged_file_costs_itself(name: str) -> None:
    chance = random.Random(name)
    for _ in range(MUTATIONS * (5 if name.endswith(".pdf") else 1)):
        reads(name, mutated(KINDS[name], chance))


@pytest.mark.parametrize("name", sorted({name.rpartition(".")[2] for name in KINDS}))
def test_an_empty_file_is_told(name: str) -> None:
    found = read_document(f"a.{name}", b"")
    assert found.passages == ()
    (left,) = found.left_out
    assert left.document == f"a.{name}"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["txt", "md", "html", "csv", "jsonl", "eml"]))
def test_any_bytes_are_read_or_told(data: bytes, ending: str) -> None:
    reads(f"a.{ending}", data)


def test_a_bad_record_costs_itself() -> None:
    text = (
        '{"text": "甲。"}\n{"text": "乙\n{"text": null}\n[1]\n'
        '{"text": "丁。", "url": "u"}\n{"text": "戊。", "url": "u"}'
    )
    found = read_document("a.jsonl", text.encode())
    assert [(p.id, p.text) for p in found.passages] == [
        ("a.jsonl:1#0", "甲。"), ("a.jsonl:u#0", "丁。"), ("a.jsonl:u#1", "戊。"),
    ]  # fmt: skip
    assert [left.part for left in found.left_out] == ["line 2", "record 3", "record 4"]


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mammoth", None)
    (left,) = read_document("a.docx", KINDS["a.docx"]).left_out
    assert "mammoth is needed to read .docx" in left.reason
    assert "pip install 'zhizhi[documents]'" in left.reason
