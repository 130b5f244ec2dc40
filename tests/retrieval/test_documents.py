"""Files of every kind that we read, as people have them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kg_builder.passage import Passage
from retrieval.chunking import ChunkSettings
from retrieval.documents import Document, language_of, read_documents, read_passages
from retrieval.errors import DocumentError
from retrieval.index import Index


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path) -> list[Document | Passage]:
    return list(read_documents([path]))


def pdf(text: str) -> bytes:
    """A PDF of one page, written by hand: pypdf reads, it does not set type."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
    ]
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, 2)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + body + b"\nendobj\n")
    start = out.tell()
    out.write(b"xref\n0 5\n0000000000 65535 f \n")
    out.write(b"".join(f"{place:010d} 00000 n \n".encode() for place in places))
    out.write(f"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def test_plain_text(tmp_path: Path) -> None:
    titled = write(tmp_path, "a.txt", "岳云\r\n\r\n岳云的父亲是岳飞。\r\n")
    assert read(titled) == [Document(id="a.txt", title="岳云", text="岳云的父亲是岳飞。")]
    bare = write(tmp_path, "b.txt", "岳云的父亲是岳飞。\n岳云是汤阴人。")
    assert read(bare)[0].title == "b"
    old = write(tmp_path, "c.txt", "岳云的父亲是岳飞。".encode("gb18030"))
    assert read(old)[0].text == "岳云的父亲是岳飞。"
    wide = write(tmp_path, "d.txt", "岳云的父亲是岳飞。".encode("utf-16"))
    assert read(wide)[0].text == "岳云的父亲是岳飞。"
    assert read(write(tmp_path, "e.txt", "  \n")) == []


def test_markdown(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.md",
        "---\ntags: x\n---\n# [岳云](u) **传**\n\n- 岳云的*父亲*是[岳飞](http://x)。\n> 引文\n\n"
        "```\ncode\n```\n## 生平\n![图](p.png)\n1. `字`应祥\n",
    )
    (document,) = read(path)
    assert document.title == "岳云 传"
    assert document.text.split("\n") == [
        "岳云的父亲是岳飞。",
        "引文",
        "",
        "",
        "生平",
        "图",
        "字应祥",
    ]


def test_html(tmp_path: Path) -> None:
    body = "<p>岳云的父亲是岳飞。</p><p>岳云，字应祥，相州汤阴人，南宋将领，十二岁从军。</p>"
    path = write(
        tmp_path,
        "a.html",
        f"<html><head><title>岳云</title></head><body><nav>登录</nav><article>{body}</article></body></html>",
    )
    (document,) = read(path)
    assert document.title == "岳云"
    assert "岳云的父亲是岳飞。" in document.text
    assert "登录" not in document.text


def test_pdf(tmp_path: Path) -> None:
    (document,) = read(write(tmp_path, "a.pdf", pdf("The father of Ann Lee is John Lee.")))
    assert document == Document(id="a.pdf", title="a", text="The father of Ann Lee is John Lee.")
    for name, content, reason in (
        ("empty.pdf", pdf(""), "no text in it"),
        ("broken.pdf", b"%PDF-1.4\nrubbish", "not a readable PDF"),
        ("none.pdf", b"", "not a readable PDF"),
    ):
        with pytest.raises(DocumentError, match=reason):
            read(write(tmp_path, name, content))


def test_records(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.jsonl",
        '{"id": "p1", "title": "岳云", "text": "岳云的父亲是岳飞。"}\n\n'
        '{"pid": 7, "title": "岳飞", "text": "岳飞是汤阴人。", "qas": []}\n'
        '{"content": "无题。", "url": "https://x/"}\n{"text": " "}\n',
    )
    first, second, third = read(path)
    assert isinstance(first, Passage)
    assert second == Document(id="7", title="岳飞", text="岳飞是汤阴人。")
    assert third == Document(id="https://x/", title="", text="无题。", url="https://x/")
    with pytest.raises(DocumentError, match=r"record 1: none of text.*only title"):
        read(write(tmp_path, "b.jsonl", '{"title": "x"}'))
    with pytest.raises(DocumentError, match="line 1: not JSON"):
        read(write(tmp_path, "c.jsonl", "oops"))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path / "absent.txt", "Check the path"),
        (write(tmp_path, "a.docx", "x"), r"no reader for '.docx'.*\.html"),
        (write(tmp_path, "noending", "x"), "without an ending"),
        (write(tmp_path, "b.txt", b"\x00\x01\x02"), "not a text file"),
    ):
        with pytest.raises(DocumentError, match=reason):
            read(path)


def test_folders_keep_going_and_tell(tmp_path: Path) -> None:
    write(tmp_path, "z/a.txt", "甲。")
    write(tmp_path, "b.docx", "x")
    write(tmp_path, ".git/c.txt", "乙。")
    write(tmp_path, "d.pdf", b"broken")
    skipped: list[str] = []
    found = list(read_documents([tmp_path], on_skip=lambda path, _: skipped.append(path.name)))
    assert [document.id for document in found] == ["z/a.txt"]
    assert skipped == ["b.docx", "d.pdf"]


def test_passages_have_stable_ids_and_no_repeats(tmp_path: Path) -> None:
    text = "".join(f"第{n}句话说的是第{n}件事。" for n in range(20))
    write(tmp_path, "a.txt", text)
    write(tmp_path, "copy/a.txt", text)
    settings = ChunkSettings(size=60, overlap=0)
    passages = list(read_passages([tmp_path], settings))
    assert [p.id for p in passages] == [f"a.txt#{n}" for n in range(len(passages))]
    assert passages == list(read_passages([tmp_path], settings))
    assert "".join(p.text for p in passages) == text


def test_a_changed_document_replaces_the_old_one(tmp_path: Path) -> None:
    settings = ChunkSettings(size=40, overlap=0)
    text = "".join(f"第{n}句话说的是第{n}件事。" for n in range(20))
    path = write(tmp_path / "docs", "a.txt", text)
    index = Index.build(read_passages([tmp_path / "docs"], settings), tmp_path / "index")
    before = index.size
    path.write_text("只剩一句话了。")
    index.add(read_passages([tmp_path / "docs"], settings))
    assert before > 1
    assert index.size == 1
    assert index.delete(["a.txt"]) == 1


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
