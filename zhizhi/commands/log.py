"""zhizhi log: what was asked and not known, for the next round of training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kg_builder.errors import UserError
from zhizhi.commands.options import Json, print_json
from zhizhi.stage import console

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(no_args_is_help=True, help="What was asked and not known.")

Url = Annotated[
    str | None,
    typer.Option(help="The question log's URL.  [default: what ZHIZHI_LOG_URL says]"),
]


class Form(StrEnum):
    """What is exported."""

    records = "records"
    questions = "questions"


@app.command("export")
def log_export(
    url: Url = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; without it to stdout.")
    ] = None,
    form: Annotated[
        Form,
        typer.Option(
            "--as",
            help="records: everything that is known of every question; questions: those that somebody "
            "gave a right answer to, as questions.jsonl of `zhizhi kg build`.",
        ),
    ] = Form.records,
) -> None:
    """Write the question log as JSON Lines, those asked most first.

    Right answers are what people said, judged by nobody: look them through before you teach them.
    """
    from kg_builder.files import write_jsonl
    from service.candidates import candidates
    from service.question_log import export

    engine = _open(url)

    def rows() -> Iterator[dict[str, Any]]:
        if form is Form.questions:
            yield from (question.model_dump(mode="json") for question in candidates(export(engine)))
        else:
            yield from export(engine)

    found = list(rows())
    if out is None:
        for row in found:
            typer.echo(json.dumps(row, ensure_ascii=False))
    else:
        write_jsonl(out, found)
    console.print(f"{len(found):,} {form.value}" + (f" written to {out}" if out else ""))


@app.command("gaps")
def log_gaps(
    url: Url = None,
    most: Annotated[int, typer.Option(min=1, help="So many, those asked most.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what is missing: what was asked and refused, of whom or what, which attribute, how often, and what
    kind of document would answer it."""
    from rich.table import Table

    from service.gaps import ranked
    from service.question_log import export

    found = ranked(export(_open(url)))
    if as_json:
        print_json({"gaps": [one.as_dict() for one in found[:most]]})
        return
    table = Table("asked", "of", "what", "would answer", "for example", box=None)
    for one in found[:most]:
        gap = one.gap
        row = (str(one.times), gap.subject or "–", gap.attribute, gap.document, one.questions[0])
        table.add_row(*map(escape, row))
    console.print(table)
    console.print(f"{len(found):,} gaps" + (f", {most} shown" if len(found) > most else ""))


@app.command("purge")
def log_purge(
    days: Annotated[int, typer.Option(min=0, help="Keep what was asked within so many days.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Delete what is older; a running service does so by itself after ZHIZHI_LOG_DAYS."""
    from service.question_log import purge

    deleted = purge(_open(url), days)
    console.print(f"{deleted:,} questions deleted")
    if as_json:
        print_json({"deleted": deleted})


def _open(url: str | None) -> Engine:
    from service.question_log import open_engine, upgrade
    from service.settings import PREFIX, load_settings

    configured = load_settings().log_url
    chosen = url or (configured.get_secret_value() if configured else None)
    if chosen is None:
        raise UserError(f"No question log is named. Give --url, or set {PREFIX}LOG_URL.")
    engine = open_engine(chosen)
    upgrade(engine)
    return engine
