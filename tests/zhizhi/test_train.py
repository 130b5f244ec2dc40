"""`zhizhi train`: the offline job from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kg_builder.files import read_jsonl
from tests.zhizhi.test_cli import zhizhi
from training.bundle import Bundle
from zhizhi.recipe import FOLDER

SMALL = """
name = "small"
ablation = false
[limits]
train = 160
calibration = 160
test = 40
[probe]
samples = 2
temperature = 1.0
[mix]
per_class = 40
near_duplicate = 1.0
[rehearsal]
known = 20
[sft]
layers = [4, 5]
epochs = 2
batch_size = 16
evaluations = 1
[preference]
evaluations = 1
batch_size = 16
"""


@pytest.mark.parametrize("recipe", sorted(p.stem for p in FOLDER.glob("*.toml")))
def test_a_dry_run_plans_every_shipped_recipe_without_weights(recipe: str, tmp_path: Path) -> None:
    shown = zhizhi("train", recipe, "--dry-run", "--json", "--out", str(tmp_path / "run"))
    assert shown.returncode == 0, shown.stderr
    plan = json.loads(shown.stdout)
    assert plan["steps"] > 0
    assert plan["tuning"]["weights"] > 0
    assert plan["fits"] in (True, None)
    assert not (tmp_path / "run").exists()


def test_a_70b_model_is_planned_over_its_devices() -> None:
    plan = json.loads(zhizhi("train", "llama-70b", "--dry-run", "--json").stdout)
    assert plan["parameters"] / 1e9 == pytest.approx(70.55, rel=0.01)
    assert (plan["devices"], plan["sharded"], plan["probing"]) == (8, True, None)


def test_a_dry_run_counts_what_is_built(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    splits = ["train"] * 30 + ["calibration"] * 9 + ["test"] * 5
    lines = [json.dumps({"split": split}) for split in splits]
    (tmp_path / "graph" / "questions.jsonl").write_text("\n".join(lines) + "\n")
    shown = zhizhi("train", "embedded", "--dry-run", "--json", "--out", str(tmp_path))
    plan = json.loads(shown.stdout)
    assert plan["questions"] == {"train": 30, "calibration": 9, "test": 5}
    assert plan["probed"] == 44


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.mark.slow
def test_one_and_two_processes_make_a_bundle_of_the_same_answers(
    recipe: Path, tmp_path: Path
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    shown = zhizhi("train", str(recipe), "--out", str(alone), "--json")
    assert shown.returncode == 0, shown.stderr
    result = json.loads(shown.stdout)
    assert result["known"] > 0
    assert result["unknown"] > 0
    assert Bundle.load(alone / "bundle").name == result["name"]
    for name in ("rehearsal/labels.jsonl", "preference/adapter", "probe/boundary.png"):
        assert (alone / name).exists()
    assert json.loads((alone / "probe/audit.json").read_text())["agreement"] > 0.9
    again = zhizhi("train", str(recipe), "--out", str(alone), "--json")
    assert json.loads(again.stdout)["name"] == result["name"]
    assert again.stderr.count("already done") == 5

    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command = [*launch, "-m", "zhizhi.cli", "train", str(recipe), "--out", str(together)]
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, timeout=280)
    assert Bundle.load(together / "bundle").spec.name == "small"
    ledgers = [list(read_jsonl(run / "probe/probes.jsonl")) for run in (alone, together)]
    texts = [
        [(r.get("question_id"), r.get("greedy", {}).get("text")) for r in lines]
        for lines in ledgers
    ]
    assert texts[0] == texts[1]
    assert not list((together / "probe").glob("probes.jsonl.*"))
