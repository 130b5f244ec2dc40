"""docs/retrieval.md: its example runs, and its commands and settings exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from retrieval.documents.reader import FORMATS
from retrieval.evidence import Reason

TEXT = (Path(__file__).parents[2] / "docs" / "retrieval.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/retrieval.md", "exec"), {})


def test_every_reason_is_explained() -> None:
    assert set(get_args(Reason)) == set(re.findall(r"^\| `([a-z_]+)` \|", TEXT, re.M))


def test_every_kind_of_file_is_told() -> None:
    rows = re.findall(r"^\| ((?:`\.\w+` ?)+)\|", TEXT, re.M)
    told = {ending for row in rows for ending in re.findall(r"`(\.\w+)`", row)}
    assert told == {*FORMATS}
