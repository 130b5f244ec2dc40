"""A run of the whole offline job on the embedded graph and model, as small as its parts allow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.commands import zhizhi

RECIPE = """
name = "small"
ablation = false
article_per_class = 4
choosing_questions = 20
[limits]
train = 80
calibration = 80
test = 24
[probe]
samples = 1
temperature = 1.0
[mix]
per_class = 20
near_duplicate = 1.0
[rehearsal]
known = 10
[sft]
layers = [4, 5]
epochs = 2
batch_size = 8
evaluations = 1
[preference]
evaluations = 1
batch_size = 8
[retrieval]
embedder = "none"
[evaluation]
latency_questions = 2
resamples = 50
"""


@dataclass(frozen=True)
class SmallRun:
    recipe: Path
    out: Path  # not to be changed: it is every test's
    told: dict[str, Any]  # by `zhizhi train --json`


def small_run(folder: Path) -> SmallRun:
    recipe, out = folder / "small.toml", folder / "run"
    recipe.write_text(RECIPE, encoding="utf-8")
    shown = zhizhi("train", recipe, "--out", out, "--json")
    assert shown.returncode == 0, shown.stderr
    return SmallRun(recipe, out, json.loads(shown.stdout))
