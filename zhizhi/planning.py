"""Planning: what a recipe will do, reckoned from the recipe and whatever of its graph is built."""

from __future__ import annotations

from pathlib import Path

from kg_builder.files import read_jsonl
from training.plan import GIB, Plan, make_plan
from zhizhi.recipe import Recipe


def plan_of(recipe: Recipe, out: Path) -> Plan:
    """Counts, steps and memory. Where the graph is not built under ``out`` yet, the recipe's limits stand for
    the counts. No weight is loaded."""
    from training.bundle import EMBEDDED, resolve_base
    from training.pretrained.table import pretrained_models

    # A base that is trained on the graph first has the embedded model's shape by default.
    base = EMBEDDED if recipe.base_model == "train" else recipe.base_model
    memory = recipe.hardware.memory
    return make_plan(
        base if base in pretrained_models() else resolve_base(base),
        sft=recipe.sft,
        mix=recipe.mix,
        probe=recipe.probe,
        questions=counts_of(recipe, out),
        devices=recipe.hardware.devices,
        sharded=recipe.hardware.sharded,
        device_memory=None if memory is None else int(memory * GIB),
        served=recipe.server is not None,
        revision=recipe.revision,
    )


def counts_of(recipe: Recipe, out: Path) -> dict[str, int]:
    """Questions of each split, no more than the recipe's limits; without a graph the limits themselves."""
    questions = out / "graph" / "questions.jsonl"
    if not questions.is_file():
        return {name: limit for name, limit in recipe.limits if limit is not None}
    found: dict[str, int] = {}
    for record in read_jsonl(questions):
        found[record["split"]] = found.get(record["split"], 0) + 1
    return {
        name: min(found.get(name, 0), limit or found.get(name, 0)) for name, limit in recipe.limits
    }
