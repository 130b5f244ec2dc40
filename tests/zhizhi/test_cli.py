"""The command line as a user meets it: help, mistakes and their exit statuses."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import zhizhi, zhizhi_process


@pytest.mark.parametrize(
    "command",
    [[], ["demo"], ["ask"], ["serve"], ["kg"], ["kg", "build"], ["kg", "match"], ["base", "train"]],
)
def test_help_teaches(command: list[str]) -> None:
    shown = zhizhi(*command, "--help")
    assert shown.returncode == 0
    assert "Usage:" in shown.stdout


def test_help_is_quick_to_come() -> None:
    code = (
        "import sys, zhizhi.cli; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["demo", "--no-serve", "--recipe", "nonesuch"], "nonesuch"),
        (["serve", "--port", "0", "--out", "nowhere"], "nowhere"),
        (["ask", "法国的首都是?", "--out", "nowhere"], "nowhere"),
        (["bundle", "inspect", "nowhere"], "nowhere"),
        (["kg", "build", "nowhere.tsv"], "nowhere.tsv"),
        (["kg", "match", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_a_mistake_is_named_without_a_traceback(
    tmp_path: Path, arguments: list[str], named: str
) -> None:
    shown = zhizhi(*arguments, cwd=tmp_path)
    assert shown.returncode == 2
    assert named in shown.stderr
    assert "Traceback" not in shown.stderr
    assert shown.stdout == ""


def test_a_process_leaves_with_the_status_of_a_mistake(tmp_path: Path) -> None:
    shown = zhizhi_process("ask", "法国的首都是?", "--out", "nowhere", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "nowhere" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_port_in_use_is_known_before_the_work(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = zhizhi("demo", "--out", str(tmp_path / "run"), "--port", str(port))
    assert shown.returncode == 2
    assert str(port) in shown.stderr
    assert not (tmp_path / "run").exists()


def test_an_empty_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").write_text("name\ten\taliases\ttier\t首都\n")
    (tmp_path / "r.toml").write_text('[build]\nsources = [{ location = "empty.tsv" }]\n')
    shown = zhizhi(
        "demo", "--no-serve", "--recipe", str(tmp_path / "r.toml"), "--out", "run", cwd=tmp_path
    )
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr


def test_json_is_one_object_on_stdout(tmp_path: Path) -> None:
    (tmp_path / "facts.tsv").write_text(
        "name\ten\taliases\ttier\t首都\n法国\tFrance\t\t1\t巴黎\n日本\tJapan\t\t1\t东京\n"
    )
    shown = zhizhi("kg", "build", "facts.tsv", "--out", "kg", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["questions"] == 2
