"""zhizhi bundle: look into what a training run has made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhizhi.commands.options import RUN, Json, print_json
from zhizhi.terminal import console

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


@app.command("certify")
def bundle_certify(
    run: Annotated[
        Path, typer.Option("--run", help="A finished run: its bundle and its index.")
    ] = RUN,
    target: Annotated[
        list[float] | None, typer.Option(help="A precision; repeat for several.  [default: all]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Certify the precision of direct and retrieved answers together, for this bundle over this index."""
    import sys

    from zhizhi.certifying import FILE, certify_run

    found = certify_run(run, targets=target or (), progress=sys.stderr.isatty())
    for point in found["points"]:
        promise = (
            f"certified (bound {point['bound']:.3f}), {point['coverage']:.1%} answered, "
            f"{point['direct']:.1%} directly"
            if point["certified"]
            else "not certified by "
            + f"{point['n']} answers; it would take "
            + (f"{point['needed']:,}" if point["needed"] else "a better model or index")
        )
        console.print(f"precision {point['target_precision']:.2f}: {promise}")
    console.print(
        f"δ {found['points'][0]['delta']:g}, {found['questions']} questions; {run / FILE}"
    )
    if as_json:
        print_json(found)
