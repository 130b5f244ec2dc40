"""The command line. Words go to stderr, results to stdout; a user's mistake ends with status 2."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from kg_builder.errors import UserError
from zhizhi import __version__
from zhizhi.commands import base, bench, bundle, eval, index, keys, kg, labels, log, reader, train
from zhizhi.commands.options import (
    RUN,
    Documents,
    Host,
    Json,
    Out,
    Port,
    RecipeName,
    ServedIndex,
    ServedRun,
    print_json,
)
from zhizhi.extras import check_packages, missing_extra
from zhizhi.terminal import console

app = typer.Typer(
    name="zhizhi",
    help="Zhizhi 知之: a question-answering service that knows what it does not know.\n\n"
    "Start with [bold]zhizhi demo[/bold]: the whole experiment on the embedded graph and model.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(kg.app, name="kg")
app.add_typer(keys.app, name="keys")
app.add_typer(log.app, name="log")
app.add_typer(base.app, name="base")
app.add_typer(bundle.app, name="bundle")
app.add_typer(bench.app, name="bench")
app.add_typer(labels.app, name="labels")
app.command()(train.train)
app.add_typer(index.app, name="index")
app.add_typer(eval.app, name="eval")
app.add_typer(reader.app, name="reader")


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
        from zhizhi.serving import Served, run_service

        raise typer.Exit(run_service(Served(out), settings, listener))


@app.command()
def serve(
    out: ServedRun = None,
    index: ServedIndex = None,
    documents: Documents = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Serve a finished run, your own documents, or both: the page at /, the API under /v1.

    zhizhi serve                                the run in runs/demo

    zhizhi serve --documents docs/              index your documents, serve them

    zhizhi serve --index runs/docs              an index that is there

    zhizhi serve --out RUN --documents docs/    behind a run's refusals

    Without a run there is no model: a question is answered with citations from the documents, or refused
    with the reason. The API's documentation is at /docs.
    """
    from service.server import bind
    from service.settings import load_settings
    from zhizhi.document_index import choose_served
    from zhizhi.serving import run_service

    settings = load_settings(host=host, port=port)
    listener = bind(settings.host, settings.port)  # a port in use is known before the work
    raise typer.Exit(run_service(choose_served(out, index, documents or []), settings, listener))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question, in Chinese or English.")],
    out: ServedRun = None,
    index: ServedIndex = None,
    documents: Documents = None,
    profile: Annotated[str | None, typer.Option(help="chat, webqa or strict.")] = None,
    fallback: Annotated[str, typer.Option(help="auto, never or always.")] = "auto",
    as_json: Json = False,
) -> None:
    """Ask one question in the terminal: the same answer that the service gives.

    zhizhi ask "法国的首都是?"                  the run in runs/demo

    zhizhi ask "年假有几天?" --index runs/docs  your own documents alone
    """
    from zhizhi.asking import ask_once, show
    from zhizhi.document_index import choose_served

    served = choose_served(out, index, documents or [], quiet=as_json)
    answer = ask_once(served, question, profile=profile, fallback=fallback)
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        show(answer)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (of this process, where no ``arguments`` are given). A user's mistake prints
    one message and no traceback."""
    # Libraries chatter on import; what concerns the user is said by us.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        check_packages()
        app(arguments)
    except UserError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        told = missing_extra(error)
        if told is None:
            raise
        _fail(told)
    except KeyboardInterrupt:
        console.print(
            "\nInterrupted. What was finished is kept; the same command goes on from there."
        )
        sys.exit(128 + signal.SIGINT)


def _fail(message: str) -> NoReturn:
    # What is in brackets is part of the message, not markup: zhizhi[documents].
    console.print(f"[bold red]Error:[/bold red] {escape(message)}", markup=True, soft_wrap=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
