"""zhizhi train: the offline job, from a graph to a bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from zhizhi.commands.options import Json, Out, print_json
from zhizhi.terminal import console

RUN = Path("runs/train")


def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe file, or the name of one that comes with zhizhi.")
    ] = "embedded",
    out: Out = RUN,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show counts, steps and memory; load no weights.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Probe, label, mix, tune and calibrate a model: a recipe in, a bundle out.

    What is done already is skipped; a killed run goes on where it was. Start it with
    `accelerate launch -m zhizhi.cli train …` to probe and tune on several devices.
    """
    from zhizhi.recipe import Recipe, find_recipe

    chosen = Recipe.load(find_recipe(recipe))
    if dry_run:
        from zhizhi.planning import plan_of

        plan = plan_of(chosen, out)
        for line in plan.lines():
            console.print(line, markup=False)
        if as_json:
            print_json(plan.model_dump(mode="json") | {"fits": plan.fits})
        return
    from zhizhi.pipeline import train as run_training

    trained, stages = run_training(chosen, out, progress=not as_json and sys.stderr.isatty())
    if not stages.split.first:
        return
    from training.bundle import Bundle

    bundle = Bundle.load(out / "bundle")
    known = [one.known for one in trained.labels]
    result: dict[str, Any] = {
        "bundle": str(bundle.folder),
        "name": bundle.name,
        "questions": {name: len(part) for name, part in trained.split.items()},
        "known": known.count(True),
        "unknown": known.count(False),
        "set_aside": known.count(None),
        "figures": bundle.spec.figures,
        "operating_points": [p.model_dump(mode="json") for p in bundle.spec.operating_points],
    }
    console.print(f"{bundle.name} in {bundle.folder}; look into it: zhizhi bundle inspect")
    if as_json:
        print_json(result)
