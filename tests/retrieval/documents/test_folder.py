"""Folders of files: what is found, by which ids, and what is replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from kg_builder.passage import Passage
from retrieval.chunking import ChunkSettings
from retrieval.documents import Extraction, language_of, read_files
from retrieval.documents.sources import Sources
from retrieval.errors import DocumentError
from retrieval.index import Index


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def passages_of(read: Iterable[Extraction]) -> list[Passage]:
    return [passage for one in read for passage in one.passages]


def test_folders_keep_going_and_tell(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    write(docs, "z/a.txt", "甲。")
    write(docs, "b.doc", "x")
    write(docs, ".git/c.txt", "乙。")
    write(docs, "d.pdf", b"broken")
    write(docs, "e.txt", " \n")
    write(docs, "noending", "x")
    write(docs, os.fsdecode(b"\xff.txt"), "丙。")
    (docs / "loop").symlink_to(docs)
    read = list(read_files([docs]))
    told = {left.document: left.reason for one in read for left in one.left_out}
    assert [p.id for p in passages_of(read)] == ["docs/\ufffd.txt#0", "docs/z/a.txt#0"]
    assert sorted(told) == ["docs/b.doc", "docs/d.pdf", "docs/e.txt", "docs/loop", "docs/noending"]
    assert "no text in it" in told["docs/e.txt"]
    assert "a link to a folder" in told["docs/loop"]


def test_a_path_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="Check the path"):
        list(read_files([tmp_path / "absent.txt"]))


def test_ids_are_stable_and_tell_folders_apart(tmp_path: Path) -> None:
    text = "".join(f"第{n}句话说的是第{n}件事。" for n in range(20))
    for folder in ("a/docs", "b/docs"):
        write(tmp_path / folder, "README.md", text)
    settings = ChunkSettings(size=60, overlap=0)
    folders = [tmp_path / "a/docs", tmp_path / "b/docs"]
    passages = passages_of(read_files(folders, settings))
    half = len(passages) // 2
    assert [p.id for p in passages] == [f"docs/README.md#{n}" for n in range(half)] + [
        f"b/docs/README.md#{n}" for n in range(half)
    ]
    assert passages == passages_of(read_files(folders, settings))
    assert "".join(p.text for p in passages[:half]) == text


def test_a_file_has_one_id_however_it_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "docs", "sub/a.txt", "甲。")
    sources = Sources()
    whole = [p.id for p in passages_of(read_files([tmp_path / "docs"], sources=sources))]
    sources.save(tmp_path)
    again = Sources.load(tmp_path)
    assert (
        [p.id for p in passages_of(read_files([path], sources=again))]
        == whole
        == ["docs/sub/a.txt#0"]
    )
    assert [p.id for p in passages_of(read_files([path.parent], sources=again))] == whole
    # Moved as a whole, it keeps its name.
    (tmp_path / "docs").rename(tmp_path / "old")
    moved = write(tmp_path / "new" / "docs", "sub/a.txt", "甲。")
    assert [p.id for p in passages_of(read_files([moved.parents[1]], sources=again))] == whole


def test_a_changed_file_replaces_its_own_passages_alone(tmp_path: Path) -> None:
    settings = ChunkSettings(size=40, overlap=0)
    docs = tmp_path / "docs"
    path = write(docs, "a.jsonl", '{"id": "1", "text": "甲。"}\n{"id": "2", "text": "乙。"}')
    write(docs, "b.jsonl", '{"id": "1", "text": "丙。"}')
    index = Index.build(passages_of(read_files([docs], settings)), tmp_path / "index")
    assert index.size == 3
    path.write_text('{"id": "2", "text": "丁。"}', encoding="utf-8")
    index.add(
        passages_of(
            read_files([docs / "a.jsonl"], settings, sources=Sources({"docs": docs.resolve()}))
        )
    )
    assert sorted(p.text for p in index.passages()) == ["丁。", "丙。"]
    # A file that says nothing any more replaces what it said.
    index.add([], replacing=["docs/a.jsonl"])
    assert [p.text for p in index.passages()] == ["丙。"]
    assert index.delete(["docs/b.jsonl"]) == 1


def test_locations_come_back_from_the_index(tmp_path: Path) -> None:
    write(tmp_path / "docs", "a.md", "# 手册\n\n## 请假\n\n年假是五天。\n")
    (passage,) = passages_of(read_files([tmp_path / "docs"]))
    index = Index.build([passage], tmp_path / "index")
    assert index.get(passage.id) == passage
    assert passage.locations[-1].heading == "请假"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("岳云", "zh"),
        ("Who?", "en"),
        ("", "en"),
        ("GPT模型的训练", "zh"),
        ("the 岳 in a long English text", "en"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of(text) == language
