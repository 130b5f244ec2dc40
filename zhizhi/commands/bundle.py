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


@app.command("merge")
def bundle_merge(
    folder: Annotated[Path, typer.Argument(help="The bundle.")] = RUN / "bundle",
    out: Annotated[Path, typer.Option("--out", help="Folder of the merged model.")] = Path(
        "runs/merged"
    ),
    dtype: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16: precision of the weights.")
    ] = "auto",
) -> None:
    """Put the adapter into its base model: a plain model that vLLM and other servers load without PEFT."""
    from training.bundle import Bundle
    from training.merge import merge_bundle

    found = Bundle.load(folder)
    merge_bundle(found, out, dtype=dtype)
    console.print(f"{found.name} merged into {out}; serve it: vllm serve {out}")


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


@app.command("applicability")
def bundle_applicability(
    run: Annotated[Path, typer.Argument(help="A finished run.")] = RUN,
    outside: Annotated[
        list[Path] | None,
        typer.Option(
            help="JSON Lines with a `question` each, from outside the graph, to learn from what tells them; "
            "repeat for several files.  [default: what the project has learnt]"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell a bundle where its promise ends: the names, wordings and answers of its run's graph.

    Training does so by itself; this is for bundles made before, and for learning from your own questions.
    """
    from zhizhi.applying import apply_to_run

    found = apply_to_run(run, outside or ())
    console.print(
        f"{found['bundle']}: {found['names']:,} names, {found['wordings']:,} wordings, "
        f"{found['relations']:,} relations"
    )
    if as_json:
        print_json(found)


@app.command("certify")
def bundle_certify(
    run: Annotated[
        Path, typer.Option("--run", help="A finished run: its bundle and its index.")
    ] = RUN,
    index: Annotated[
        Path | None, typer.Option(help="Another index that stands behind the refusals.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Certify the precision of direct and retrieved answers together, for this bundle over an index."""
    import sys

    from service.settings import load_settings
    from zhizhi.certifying import certify_run

    points = certify_run(run, index=index, settings=load_settings(), progress=sys.stderr.isatty())
    for point in points:
        direct = f"{point.coverage or 0:.1%} answered directly" if point.n else "none directly"
        retrieved = "retrieved answers by the reader's calibration"
        if point.retrieved is not None:
            retrieved = f"retrieved answers from a confidence of {point.retrieved.threshold:.2f}"
        promise = f"certified: {direct}, {retrieved}" if point.certified else "not certified"
        console.print(f"{point.name} (precision {point.target_precision:.2f}): {promise}")
    console.print(f"δ {points[0].delta:g}; kept in {run / 'bundle'}")
    if as_json:
        print_json([point.model_dump(mode="json") for point in points])
