"""`zhizhi train`: the offline job from the command line."""

import json
import shutil
from pathlib import Path

import pytest

from kg_builder.files import read_jsonl, read_manifest
from tests.commands import zhizhi
from tests.processes import launch
from tests.runs import SmallRun
from training.bundle import Bundle
from zhizhi.recipe import FOLDER


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


@pytest.mark.slow
def test_a_recipe_becomes_a_bundle(trained: SmallRun) -> None:
    result, out = trained.told, trained.out
    assert result["known"] > 0
    assert result["unknown"] > 0
    assert Bundle.load(out / "bundle").name == result["name"]
    for name in ("rehearsal/labels.jsonl", "preference/adapter", "probe/boundary.png"):
        assert (out / name).exists()
    assert json.loads((out / "probe/audit.json").read_text())["agreement"] > 0.9
    again = zhizhi("train", trained.recipe, "--out", out, "--json")
    assert json.loads(again.stdout)["name"] == result["name"]
    assert again.stderr.count("already done") == 5


@pytest.mark.slow
def test_two_processes_make_a_bundle_of_the_same_answers(trained: SmallRun, tmp_path: Path) -> None:
    # The graph is built by the first process alone, as ever.
    shutil.copytree(trained.out / "graph", tmp_path / "graph")
    launch("accelerate", ["-m", "zhizhi.cli", "train", trained.recipe, "--out", tmp_path])
    assert Bundle.load(tmp_path / "bundle").spec.name == "small"
    ledgers = [list(read_jsonl(run / "probe/probes.jsonl")) for run in (trained.out, tmp_path)]
    texts = [
        [(r.get("question_id"), r.get("greedy", {}).get("text")) for r in lines]
        for lines in ledgers
    ]
    assert texts[0] == texts[1]
    assert not list((tmp_path / "probe").glob("probes.jsonl.*"))
    steps = [read_manifest(run / "sft")["steps"] for run in (trained.out, tmp_path)]  # type: ignore[index]
    assert steps[1] == pytest.approx(steps[0] / 2, abs=1)
