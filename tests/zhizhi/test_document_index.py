"""From a folder of documents to an answer: `serve` and `ask` with --index and --documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from kg_builder.files import read_manifest
from retrieval.engines import open_index
from retrieval.versions import current_version
from tests.commands import zhizhi
from tests.runs import SmallRun
from tests.zhizhi.documents import ROOT, zhizhi_serve
from zhizhi.document_index import SOURCES, DocumentsError, choose_served, update_index
from zhizhi.serving import Served

FATHER = "沈云舟的父亲是谁?"
TEACHER = "沈云舟的老师是谁?"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# 沈云舟\n\n沈云舟的父亲是沈怀远。", encoding="utf-8")
    return folder


@pytest.fixture
def index(tmp_path: Path, docs: Path) -> Path:
    """An index of ``docs`` that is searched by words alone: training an embedder takes seconds."""
    update(docs, tmp_path / "index")
    return tmp_path / "index"


def update(docs: Path, index: Path) -> None:
    update_index([docs], index, embedder_name="none", quiet=True)


def ask(question: str, *arguments: str | Path, cwd: Path) -> dict[str, Any]:
    shown = zhizhi("ask", question, *arguments, "--json", cwd=cwd)
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


@pytest.mark.usefixtures("index")
def test_an_index_alone_is_asked_without_a_model(tmp_path: Path) -> None:
    answer = ask(FATHER, "--index", "index", cwd=tmp_path)
    assert (answer["route"], answer["answer"]) == ("retrieval", "沈怀远")
    assert answer["citations"][0]["quote"] == "沈云舟的父亲是沈怀远。"
    assert (answer["model"], answer["index"]) == ("retrieval-only", "index:v000001")
    refused = ask(TEACHER, "--index", "index", cwd=tmp_path)
    assert (refused["route"], refused["reason"]) == ("refused", "insufficient_evidence")
    shown = zhizhi("ask", FATHER, "--index", "index", cwd=tmp_path)
    assert shown.stdout.strip() == "沈怀远"
    assert "retrieved" in shown.stderr


def test_what_the_options_name(tmp_path: Path, index: Path) -> None:
    assert choose_served(None, None, []) == Served(Path("runs/demo"))
    assert choose_served(None, index, []) == Served(None, index)
    assert choose_served(tmp_path / "run", index, []) == Served(tmp_path / "run", index)


def test_an_index_is_made_once_and_again_when_a_document_changes(docs: Path, index: Path) -> None:
    (docs / ".draft.md").write_text("hidden", encoding="utf-8")
    update(docs, index)
    assert current_version(index) == "v000001"
    (docs / "a.md").write_text("# 沈云舟\n\n沈云舟的父亲是沈怀山。", encoding="utf-8")
    update(docs, index)
    assert current_version(index) == "v000002"
    assert [p.text for p in open_index(index).passages()] == ["沈云舟的父亲是沈怀山。"]
    (docs / "b.txt").write_text("临江位于东海道。", encoding="utf-8")
    update(docs, index)
    (docs / "b.txt").unlink()
    update(docs, index)
    assert open_index(index).size == 1


def test_a_build_that_was_killed_is_made_again(docs: Path, index: Path) -> None:
    told = json.loads((index / SOURCES).read_text(encoding="utf-8"))
    (index / SOURCES).write_text(json.dumps(told | {"version": None}), encoding="utf-8")
    update(docs, index)
    assert current_version(index) == "v000002"


def test_what_was_changed_by_other_commands_is_made_again(docs: Path, index: Path) -> None:
    assert zhizhi("index", "delete", "docs/a.md", "--index", index).returncode == 0
    update(docs, index)
    assert open_index(index).size == 1


def test_an_index_of_other_documents_is_not_overwritten(docs: Path, index: Path) -> None:
    other = docs.parent / "other"
    other.mkdir()
    (other / "c.txt").write_text("别的资料。", encoding="utf-8")
    with pytest.raises(DocumentsError, match=r"index of .*docs, not of .*other.*--index"):
        update(other, index)
    (index / SOURCES).unlink()  # as `zhizhi index build` leaves it
    with pytest.raises(DocumentsError, match=r"zhizhi index build.*without --documents"):
        update(docs, index)
    assert current_version(index) == "v000001"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--documents", "nowhere"], ["nowhere: no such file or folder", "--documents"]),
        (["--documents", "empty"], ["empty: there is no file in it", ".md"]),
        (["--documents", "pictures"], ["There is no text in pictures"]),
        (["--index", "nowhere"], ["nowhere: no index there", "zhizhi index build"]),
        (["--index", "unfinished"], ["never finished", "Build it again"]),
        (["--index", "index", "--out", "nowhere"], ["nowhere holds no finished run"]),
        ([], ["runs/demo holds no finished run", "zhizhi demo", "zhizhi serve --documents"]),
    ],
)
@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["ask", FATHER]])
def test_mistakes_are_told_with_the_remedy(
    command: list[str], arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.bin").write_bytes(b"\0\1")
    (tmp_path / "unfinished" / "v000001").mkdir(parents=True)
    (tmp_path / "unfinished" / "current").write_text("v000001\n", encoding="utf-8")
    shown = zhizhi(*command, *arguments, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "Traceback" not in shown.stderr
    for word in words:
        assert word in shown.stderr


def test_settings_that_would_refuse_everything_are_a_mistake(index: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zhizhi.cli", "serve", "--index", str(index), "--port", "0"],
        env={"PYTHONPATH": str(ROOT), "ZHIZHI_FALLBACK": "never"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "ZHIZHI_FALLBACK=never" in done.stderr


# What imports one of these fails, as where the package is not installed.
WITHOUT = """
import sys
for name in {names}:
    sys.modules[name] = None
from zhizhi.cli import main
main(sys.argv[1:])
"""


def without(names: list[str], *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names), *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.usefixtures("docs")
def test_neither_indexing_nor_answering_needs_torch(tmp_path: Path) -> None:
    names = ["torch", "transformers", "sentence_transformers"]
    for _ in range(2):
        done = without(names, "ask", FATHER, "--documents", "docs", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["answer"] == "沈怀远"
    assert "nothing has changed" in done.stderr
    assert current_version(tmp_path / "runs" / "docs") == "v000001"


def test_a_missing_reader_of_documents_is_named(tmp_path: Path, docs: Path) -> None:
    (docs / "b.pdf").write_bytes(b"%PDF-1.4\n")
    done = without(["pypdfium2", "torch"], "ask", FATHER, "--documents", "docs", cwd=tmp_path)
    assert done.returncode == 0
    assert "pypdfium2 is needed" in done.stderr
    assert "zhizhi[documents]" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_command_from_documents_to_answers_over_http(tmp_path: Path, docs: Path) -> None:
    update(docs, tmp_path / "runs" / "docs")
    with zhizhi_serve("--index", "runs/docs", cwd=tmp_path) as url:
        answer = httpx.post(f"{url}v1/qa", json={"question": FATHER}).json()
        assert (answer["route"], answer["answer"]) == ("retrieval", "沈怀远")
        refused = httpx.post(f"{url}v1/qa", json={"question": TEACHER}).json()
        assert (refused["route"], refused["reason"]) == ("refused", "insufficient_evidence")
        assert httpx.get(f"{url}readyz").json()["ready"]
        # A changed document is served without a restart.
        (docs / "a.md").write_text("# 沈云舟\n\n沈云舟的老师是陆清。", encoding="utf-8")
        update(docs, tmp_path / "runs" / "docs")
        assert httpx.post(f"{url}v1/admin/reload").json()["index"] == "docs:v000002"
        answer = httpx.post(f"{url}v1/qa", json={"question": TEACHER}).json()
        assert (answer["route"], answer["answer"]) == ("retrieval", "陆清")


@pytest.mark.slow
def test_a_runs_model_answers_and_the_documents_stand_behind_it(
    trained: SmallRun, index: Path, tmp_path: Path
) -> None:
    assert read_manifest(trained.out / "retrieval") is None  # a run needs no index of its own
    answer = ask(
        FATHER, "--out", trained.out, "--index", index, "--fallback", "always", cwd=tmp_path
    )
    assert (answer["route"], answer["answer"]) == ("retrieval", "沈怀远")
    assert answer["model"] != "retrieval-only"
    assert answer["operating_point"] is not None
