"""Probing split over processes by accelerate, for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launching import LAUNCHERS, launch
from tests.training.conftest import invented_questions
from training.engine.local import LocalModel
from training.probe import ProbeSettings, probe
from training.split import ALONE, launched

SETTINGS = ProbeSettings(max_new_tokens=12, samples=1, chunk=5)


def run(base: Path, ledger: Path) -> None:
    model = LocalModel.load(base, name="miniature", refusal_prefix="我不知道")
    split = launched()
    (ledger.parent / f"{split.rank} of {split.count}").touch()
    probe(model, invented_questions(), ledger, SETTINGS, progress=False, split=split)


def test_a_process_that_nobody_launched_is_alone() -> None:
    assert launched() == ALONE


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_leave_the_ledger_of_one(
    miniature: Path, tmp_path: Path, launcher: str
) -> None:
    script = tmp_path / "split.py"
    script.write_text(
        "import sys, pathlib; from tests.training.test_split import run;"
        "run(*map(pathlib.Path, sys.argv[1:]))",
        encoding="utf-8",
    )
    together, alone = tmp_path / "two" / "probes.jsonl", tmp_path / "one" / "probes.jsonl"
    for ledger in (together, alone):
        ledger.parent.mkdir()
    launch(launcher, [script, miniature, together])
    names = sorted(path.name for path in together.parent.iterdir())
    assert names == ["0 of 2", "1 of 2", "probes.jsonl"]
    run(miniature, alone)
    # Chunks are dealt out whole: batches are composed alike, and floats agree to the last bit.
    assert together.read_bytes() == alone.read_bytes()
