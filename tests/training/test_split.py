"""Probing split over processes by accelerate, for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import invented_questions
from training.engine.local import LocalModel
from training.probe import ProbeSettings, probe
from training.split import ALONE, launched

SETTINGS = ProbeSettings(max_new_tokens=12, samples=1, chunk=5)


def run(base: Path, ledger: Path) -> None:
    model = LocalModel.load(base, name="miniature", refusal_prefix="我不知道")
    probe(model, invented_questions(), ledger, SETTINGS, progress=False, split=launched())


def test_a_process_that_nobody_launched_is_alone() -> None:
    assert launched() == ALONE


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["accelerate", "torchrun"])
def test_two_processes_leave_the_ledger_of_one(
    miniature: Path, tmp_path: Path, launcher: str
) -> None:
    script = tmp_path / "split.py"
    script.write_text(
        "import sys, pathlib, torch; torch.set_num_threads(1);"
        "from tests.training.test_split import run; run(*map(pathlib.Path, sys.argv[1:]))",
        encoding="utf-8",
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "ACCELERATE_USE_CPU": "true"}
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, "-m"]
    if launcher == "accelerate":
        command += ["accelerate.commands.launch", "--cpu", "--num_processes", "2"]
        command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    else:
        command += ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    together, alone = tmp_path / "together.jsonl", tmp_path / "alone.jsonl"
    subprocess.run(
        [*command, str(script), str(miniature), str(together)],
        env=environment,
        check=True,
        timeout=280,
    )
    run(miniature, alone)
    assert together.read_bytes() == alone.read_bytes()
    assert sorted(p.name for p in tmp_path.glob("together*")) == ["together.jsonl"]
