"""What docs/training.md shows is what there is."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
import typer

from zhizhi.cli import app
from zhizhi.recipe import Recipe, validated

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line.partition("#")[0].strip()
    for kind, text in BLOCKS
    if kind == "bash"
    for line in text.splitlines()
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_on_the_page_is_one(line: str) -> None:
    words = shlex.split(re.sub(r"^accelerate launch .*-m zhizhi\.cli", "zhizhi", line))
    assert words[0] == "zhizhi"
    command, words = typer.main.get_command(app), words[1:]
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    with command.make_context("zhizhi", words) as context:  # refuses what it does not know
        assert context.params


def test_the_recipe_on_the_page_is_valid() -> None:
    text, *others = [text for kind, text in BLOCKS if kind == "toml"]
    for other in others:
        validated(Recipe, tomllib.loads(other))
    recipe = validated(Recipe, tomllib.loads(text))
    assert recipe.preference is not None
    assert recipe.rehearsal is not None
    assert recipe.mix.near_duplicate == 0.8


def test_the_recipes_it_names_come_along() -> None:
    from zhizhi.recipe import FOLDER

    for path in FOLDER.glob("*.toml"):
        assert f"`{path.stem}`" in PAGE
