"""zhizhi bench: a finished run measured against the published methods, and against its own settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zhizhi.commands.options import RUN, Json, print_json
from zhizhi.terminal import console

if TYPE_CHECKING:
    from zhizhi.methods import Method

app = typer.Typer(no_args_is_help=True, help="A finished run against the published methods.")

Run = Annotated[Path, typer.Option("--run", help="A run that `zhizhi train` or the demo finished.")]
Only = Annotated[list[str] | None, typer.Option(help="Only this one; repeat for several.")]


@app.command("methods")
def bench_methods(
    run: Run = RUN,
    out: Annotated[Path, typer.Option("--out", help="Folder of the comparison.")] = Path(
        "runs/methods"
    ),
    only: Only = None,
    as_json: Json = False,
) -> None:
    """Prompting, thresholds, self-consistency, semantic entropy, R-Tuning, Idk-SFT, CRaFT, DPO and ours.

    On the same base, questions and budget. A killed comparison goes on where it was."""
    from zhizhi.methods import METHODS

    _compare(run, out, METHODS, only, as_json)


@app.command("sweep")
def bench_sweep(
    run: Run = RUN,
    out: Annotated[Path, typer.Option("--out", help="Folder of the sweep.")] = Path("runs/sweep"),
    only: Only = None,
    as_json: Json = False,
) -> None:
    """Other mixtures than the run's: ratio, number of examples, own or fixed answers, paired or not."""
    from zhizhi.methods import SWEEP

    _compare(run, out, SWEEP, only, as_json)


def _compare(
    run: Path, out: Path, methods: Mapping[str, Method], only: list[str] | None, as_json: bool
) -> None:
    from zhizhi.methods import Comparison, answer_all
    from zhizhi.standing import as_markdown, standing

    comparison = Comparison(run, out, progress=not as_json and sys.stderr.isatty())
    answer_all(comparison, methods, only or ())
    table = standing(comparison, methods)
    console.print(as_markdown(table), markup=False)
    if as_json:
        print_json(table)
