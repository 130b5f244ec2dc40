"""zhizhi bundle: look into what a training run has made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhizhi.commands.options import RUN, Json, print_json
from zhizhi.stage import console

app = typer.Typer(no_args_is_help=True, help="Look into what a training run has made.")


@app.callback()
def group() -> None:
    """Look into what a training run has made."""


@app.command("inspect")
def bundle_inspect(
    folder: Annotated[Path, typer.Argument(help="The bundle.")] = RUN / "bundle",
    as_json: Json = False,
) -> None:
    """Check a bundle and show what is in it: base model, prompt, calibration, operating points."""
    from training.bundle import Bundle

    found = Bundle.load(folder)
    found.base_path()
    if as_json:
        print_json(found.spec.model_dump(mode="json"))
    else:
        from rich.markdown import Markdown

        text = (folder / "README.md").read_text(encoding="utf-8")
        console.print(Markdown(text.split("---", 2)[-1]))
