"""zhizhi index as a user meets it, over real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from kg_builder.errors import UserError
from zhizhi.cli import app


class Shown(NamedTuple):
    status: int
    stdout: str
    stderr: str
    error: str = ""


def index(*arguments: str) -> Shown:
    """As the command line runs it, without a process of its own each time."""
    result = CliRunner().invoke(app, ["index", *arguments])
    if isinstance(result.exception, UserError):
        return Shown(2, result.stdout, result.stderr, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Shown(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("# 沈云舟\n\n沈云舟的父亲是沈怀远。", encoding="utf-8")
    (folder / "sub" / "b.txt").write_text("临江\n\n临江位于东海道。", encoding="utf-8")
    (folder / "c.bin").write_bytes(b"\0\1")
    return folder


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        (["--embedder", "none"], None),
        (["--embedder", "none", "--milvus", "books.db"], None),
        pytest.param([], "ngram", marks=pytest.mark.slow),  # loads what trains embedders
    ],
)
def test_an_index_from_the_first_document_to_the_last(
    engine: list[str], kind: str | None, documents: Path
) -> None:
    built = index("build", "docs", *engine, "--json")
    assert built.status == 0, built.stderr
    assert json.loads(built.stdout)["passages"] == 2
    assert "left out" in built.stderr
    assert "c.bin" in built.stderr

    found = json.loads(index("search", "沈云舟的父亲是谁", "--json").stdout)
    assert found[0]["passage"]["id"] == "docs/a.md#0"
    assert "临江位于东海道。" in index("search", "临江在哪").stderr

    (documents / "a.md").write_text("# 沈云舟\n\n沈云舟的父亲是陆九思。", encoding="utf-8")
    (documents / "d.txt").write_text("韩松\n\n韩松的母亲是白氏。", encoding="utf-8")
    added = index("add", "docs", "--json")
    assert json.loads(added.stdout)["passages"] == 3
    found = json.loads(
        index("search", "沈云舟的父亲是谁", "-k", "1", "--mode", "lexical", "--json").stdout
    )
    assert "陆九思" in found[0]["passage"]["text"]

    assert json.loads(index("delete", "docs/d.txt", "--json").stdout) == {"deleted": 1}
    info = json.loads(index("info", "--json", "--verify").stdout)
    assert info["passages"] == 2
    assert (info["embedder"] and info["embedder"]["kind"]) == kind


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["build", "nowhere"], "nowhere"),
        (["build", "docs/c.bin"], "c.bin"),
        (["build", "docs", "--chunk", "10"], "size"),
        (["build", "docs", "--embedder", "none", "--milvus", "books"], "books"),
        pytest.param(
            ["build", "docs", "--embedder", "./no-model"], "no-model", marks=pytest.mark.slow
        ),
        (["info", "--index", "docs"], "docs"),
        (["search", "临江", "--index", "nowhere"], "nowhere"),
        (["add", "docs", "--index", "nowhere"], "nowhere"),
    ],
)
@pytest.mark.usefixtures("documents")
def test_a_mistake_is_named_without_a_traceback(arguments: list[str], named: str) -> None:
    shown = index(*arguments)
    assert shown.status == 2, shown.stderr
    assert named in shown.error
    assert shown.stdout == ""


@pytest.mark.usefixtures("documents")
def test_deleting_what_is_not_there() -> None:
    assert index("build", "docs", "--embedder", "none").status == 0
    shown = index("delete", "absent.txt")
    assert shown.status == 2
    assert "absent.txt" in shown.error


@pytest.mark.parametrize("command", ["build", "add", "delete", "info", "search"])
def test_help_teaches(command: str) -> None:
    shown = index(command, "--help")
    assert shown.status == 0
    assert "--index" in shown.stdout
