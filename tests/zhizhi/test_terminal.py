"""What a terminal is given: nothing in it steers it, and brackets are brackets."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.requirements import requirements
from retrieval.evidence import Citation
from service.answer import Answer
from zhizhi.asking import show
from zhizhi.cli import _fail
from zhizhi.commands.options import print_json
from zhizhi.extras import EXTRA_OF, ROOT, missing_extra
from zhizhi.terminal import Words

# What others of an extra bring along.
TRANSITIVE = {"starlette"}
HOSTILE = "岳飞\x1b[2J\x1b]0;title\x07\x9b1A\u202e\u2066[/x] [bold]\r"


def test_escapes_of_a_page_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    citation = Citation(number=1, passage_id="p", title=HOSTILE, quote=HOSTILE, start=0, end=2)
    show(Answer(id="1", question="?", answer=HOSTILE, route="retrieval", model=HOSTILE,
                citations=(citation,), closest=(citation,), reason="no_results"))  # fmt: skip
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert not set(text) & set("\x1b\x07\x9b\u202e\u2066\r")
        assert "岳飞" in text
        assert "[/x] [bold]" in text
    print_json({"answer": HOSTILE})
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\x07\x9b\u202e\u2066\r")
    assert json.loads(out) == {"answer": HOSTILE}


def test_brackets_in_a_message_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console = Words(file=io.StringIO())
    console.print("[/x] written to [bold]")
    console.print("[bold]yes[/bold]", markup=True)
    assert console.file.getvalue() == "[/x] written to [bold]\nyes\n"  # type: ignore[attr-defined]
    with pytest.raises(SystemExit):
        _fail("a file [/x] is missing")
    assert "a file [/x] is missing" in capsys.readouterr().err


def test_every_module_belongs_to_the_extra_that_is_named() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    other = {
        "sklearn": "scikit-learn",
        "faiss": "faiss-cpu",
        "opentelemetry": "opentelemetry-sdk",
        "markdown_it": "markdown-it-py",
        "pptx": "python-pptx",
    }
    for module, extra in EXTRA_OF.items():
        assert extra in extras, module
        brought = {r.split(">")[0].split("[")[0].replace("-", "_") for r in requirements([extra])}
        assert other.get(module, module).replace("-", "_") in brought | TRANSITIVE, (module, extra)


def test_a_missing_module_is_told_with_its_extra() -> None:
    told = missing_extra(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert told is not None
    assert "pip install 'zhizhi[model]'" in told
    assert missing_extra(ModuleNotFoundError("x", name="something_else")) is None


@pytest.mark.parametrize("where", ["cwd", "PYTHONPATH"])
def test_a_folder_of_the_users_own_does_not_stand_before_ours(where: str, tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("raise SystemExit('not ours')")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if where == "PYTHONPATH":
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "zhizhi", "keys", "list", "--file", "none.json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "not ours" not in done.stderr
    assert done.returncode == 2
    if where == "cwd":
        assert "Make a key" in done.stderr
    else:
        assert "stands before zhizhi's own package 'training'" in done.stderr
