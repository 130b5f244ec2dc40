"""The command line. Words go to stderr, results to stdout; a user's mistake ends with status 2."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from kg_builder.errors import UserError
from zhizhi import __version__
from zhizhi.stage import console

app = typer.Typer(
    name="zhizhi",
    help="Zhizhi 知之: a question-answering service that knows what it does not know.\n\n"
    "Start with [bold]zhizhi demo[/bold]: the whole experiment on the embedded graph and model.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
kg = typer.Typer(no_args_is_help=True, help="Knowledge graphs to questions with checkable answers.")
base = typer.Typer(no_args_is_help=True, help="The small base model that is trained from scratch.")
bundle = typer.Typer(no_args_is_help=True, help="Look into what a training run has made.")
app.add_typer(kg, name="kg")
app.add_typer(base, name="base")
app.add_typer(bundle, name="bundle")

Out = Annotated[Path, typer.Option("--out", help="Folder of the run; made if absent.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RecipeName = Annotated[
    str, typer.Option("--recipe", help="A recipe file, or the name of one that comes with zhizhi.")
]
Port = Annotated[int | None, typer.Option("--port", help="Port to serve on.  [default: 8000]")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.")]
RUN = Path("runs/demo")


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    out: Out = RUN,
    recipe: RecipeName = "embedded",
    serve: Annotated[bool, typer.Option(help="Serve the result at the end.")] = True,
    as_json: Json = False,
    host: Host = None,
    port: Port = None,
) -> None:
    """The whole experiment: questions, probe, label, mix, tune, calibrate, index, evaluate, serve.

    What is done already is skipped, so a second call serves within seconds; a killed one goes on
    where it was.
    """
    from zhizhi.recipe import Recipe, find_recipe

    chosen = Recipe.load(find_recipe(recipe))
    listener = None
    if serve:
        from service.server import bind
        from service.settings import load_settings

        settings = load_settings(host=host, port=port)
        listener = bind(settings.host, settings.port)  # a port in use is known before the work

    from zhizhi.pipeline import run

    done = run(chosen, out, progress=not as_json and sys.stderr.isatty())
    from eval.table import render

    render(done.table, console)
    if as_json:
        print_json(done.table)
    if serve:
        from zhizhi.serving import serve_run

        raise typer.Exit(serve_run(out, settings, listener))


@app.command()
def serve(
    out: Out = RUN,
    host: Host = None,
    port: Port = None,
) -> None:
    """Serve a finished run: the page at /, the API under /v1, its documentation at /docs."""
    from service.server import bind
    from service.settings import load_settings
    from zhizhi.serving import serve_run

    settings = load_settings(host=host, port=port)
    raise typer.Exit(serve_run(out, settings, bind(settings.host, settings.port)))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question, in Chinese or English.")],
    out: Out = RUN,
    profile: Annotated[str | None, typer.Option(help="chat, webqa or strict.")] = None,
    fallback: Annotated[str, typer.Option(help="auto, never or always.")] = "auto",
    as_json: Json = False,
) -> None:
    """Ask one question in the terminal: the same answer that the service gives."""
    from zhizhi.asking import ask_once, show

    answer = ask_once(out, question, profile=profile, fallback=fallback)
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        show(answer)


@kg.command("build")
def kg_build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders or a SPARQL endpoint; none: the embedded graph."),
    ] = None,
    out: Out = Path("runs/kg"),
    language: Annotated[list[str] | None, typer.Option(help="zh, en; repeat for both.")] = None,
    catalogue: Annotated[list[Path] | None, typer.Option(help="Your own relations (TOML).")] = None,
    seed: Annotated[int, typer.Option(help="Decides splits and wordings.")] = 0,
    as_json: Json = False,
) -> None:
    """Turn a knowledge graph into questions, passages and a report of what was left out and why."""
    from kg_builder.build import BuildSettings, build
    from zhizhi.recipe import validated

    value: dict[str, Any] = {"seed": seed, "catalogue": catalogue or []}
    if sources:
        value["sources"] = [{"location": source} for source in sources]
    if language:
        value["languages"] = language
    report = build(validated(BuildSettings, value), out)
    for name, count in report.counts.items():
        if isinstance(count, int):
            console.print(f"{count:>9,} {name}")
    console.print(f"written to {out}")
    if as_json:
        print_json(report.counts)


@kg.command("match")
def kg_match(
    file: Annotated[Path, typer.Argument(help="JSON Lines with answers and right answers.")],
    answer: Annotated[str, typer.Option(help="Field that holds the answer.")] = "answer",
    gold: Annotated[
        str, typer.Option(help="Field that holds the right answer or a list.")
    ] = "gold",
    label: Annotated[
        str | None, typer.Option(help="Field with people's judgement, true or false.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge answers by the project's one notion of a right answer; compare with people's judgement."""
    from kg_builder.matching import score_file

    report = score_file(file, answer, gold, label)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        console.print(report)


@base.command("train")
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


@bundle.command("inspect")
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


def main() -> None:
    """Run the command line. A user's mistake prints one message and no traceback."""
    # Libraries chatter on import; what concerns the user is said by us.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        app()
    except UserError as error:
        console.print(f"[bold red]Error:[/bold red] {error}", markup=True, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print(
            "\nInterrupted. What was finished is kept; the same command goes on from there."
        )
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
