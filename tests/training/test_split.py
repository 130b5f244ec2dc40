"""Two processes that share the work of one, started for real on one CPU.

`accelerate launch` starts the whole offline job in tests/zhizhi/test_train.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kg_builder.files import read_jsonl, read_manifest
from tests.processes import launch
from tests.training.conftest import invented_questions
from tests.training.test_sft import SETTINGS, TAUGHT, inputs
from training.engine.local import LocalModel
from training.probe import ProbeSettings, probe
from training.sft import step_count, tune
from training.split import ALONE, launched

PROBING = ProbeSettings(max_new_tokens=12, samples=1, chunk=5)
TUNING = SETTINGS.model_copy(update={"epochs": 20, "evaluations": 2})


def ask(base: Path, out: Path) -> None:
    model = LocalModel.load(base, name="miniature", refusal_prefix="我不知道")
    ledger = out / "probes.jsonl"
    probe(model, invented_questions(), ledger, PROBING, progress=False, split=launched())


def work(base: Path, out: Path) -> None:
    """What each process does. ``out`` tells afterwards who they took themselves for."""
    split = launched()
    out.mkdir(exist_ok=True)
    (out / f"{split.rank} of {split.count}").touch()
    ask(base, out)
    given = inputs(base, invented_questions())
    tune(base, *given, out / "sft", TUNING, choose_on=TAUGHT, progress=False)


def test_a_process_that_nobody_launched_is_alone() -> None:
    assert launched() == ALONE


@pytest.mark.slow
def test_two_processes_probe_and_tune_together(miniature: Path, tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        "import sys, pathlib; from tests.training.test_split import work;"
        "work(*map(pathlib.Path, sys.argv[1:]))",
        encoding="utf-8",
    )
    inputs(miniature, invented_questions())  # its ledger is there before two look for it
    out = tmp_path / "together"
    launch("torchrun", [script, miniature, out])
    assert sorted(p.name for p in out.iterdir()) == ["0 of 2", "1 of 2", "probes.jsonl", "sft"]

    ask(miniature, tmp_path)
    # Chunks are dealt out whole: batches are composed alike, and floats agree to the last bit.
    assert (out / "probes.jsonl").read_bytes() == (tmp_path / "probes.jsonl").read_bytes()

    manifest = read_manifest(out / "sft")
    assert manifest is not None
    assert manifest["steps"] == step_count(manifest["examples"], TUNING, 2)
    assert manifest["steps"] < step_count(manifest["examples"], TUNING)
    rows = list(read_jsonl(out / "sft" / "curves.jsonl"))
    assert len({(r["set"], r["step"]) for r in rows}) == len(rows) > 0
    assert (out / "sft" / "adapter" / "adapter_model.safetensors").exists()
