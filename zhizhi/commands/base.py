"""zhizhi base: the small base model that is trained from scratch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from zhizhi.commands.options import Out, RecipeName
from zhizhi.terminal import console

app = typer.Typer(no_args_is_help=True, help="The small base model that is trained from scratch.")


@app.callback()
def group() -> None:
    """The small base model that is trained from scratch."""


@app.command("train")
def base_train(
    questions: Annotated[
        Path, typer.Option("--questions", help="questions.jsonl of `zhizhi kg build`.")
    ],
    out: Out = Path("runs/base"),
    recipe: RecipeName = "embedded",
) -> None:
    """Train a small Llama from scratch on a graph's facts: popular ones often, rare ones never.

    It plays the chat model of the experiment: it always answers, and makes up what it does not know.
    The [base] section of the recipe sets its size and the exposures. A killed run goes on where it was.
    """
    from kg_builder.files import read_jsonl
    from kg_builder.question import Question
    from kg_builder.relation import Catalogue, builtin_paths
    from training.base.trainer import train_base
    from zhizhi.recipe import Recipe, find_recipe

    chosen = Recipe.load(find_recipe(recipe))
    read = [Question.model_validate(record) for record in read_jsonl(questions)]
    catalogue = Catalogue.load([*builtin_paths(), *chosen.build.catalogue])
    train_base(read, catalogue, out, chosen.base, progress=sys.stderr.isatty())
    console.print(f"written to {out}; name it as base_model in a recipe")
