"""zhizhi keys: who may use a service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kg_builder.errors import UserError
from zhizhi.commands.options import Json, print_json
from zhizhi.terminal import console

app = typer.Typer(
    no_args_is_help=True, help="API keys: who may use a service, for what, how often."
)

File = Annotated[
    Path | None,
    typer.Option("--file", help="File of keys.  [default: what ZHIZHI_KEYS_FILE says]"),
]


class ScopeName(StrEnum):
    """What a key may do."""

    ask = "ask"
    feedback = "feedback"
    admin = "admin"


@app.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    file: File = None,
    scope: Annotated[
        list[ScopeName] | None,
        typer.Option(help="ask, feedback or admin; repeat for several.  [default: ask, feedback]"),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help='Requests in a time, such as "60/minute".')
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests at the same time.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
) -> None:
    """Make a key and print it on stdout, once: the file keeps its hash alone."""
    from service.keys import add_key

    scopes = scope or [ScopeName.ask, ScopeName.feedback]
    path = _file(file)
    key = add_key(
        path,
        name,
        frozenset(one.value for one in scopes),
        rate=rate,
        concurrency=concurrency,
        expires=None if days is None else datetime.now(UTC) + timedelta(days=days),
    )
    console.print(f"A key for {name} was added to {path}. It is shown this once:", markup=False)
    typer.echo(key)


@app.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(help="The name or the id of a key.")], file: File = None
) -> None:
    """Take a key back; a running service notices within a second."""
    from service.keys import revoke_key

    path = _file(file)
    revoke_key(path, key)
    console.print(f"{key} was revoked in {path}.", markup=False)


@app.command("list")
def keys_list(file: File = None, as_json: Json = False) -> None:
    """Show the keys of a file, without what would let one use them."""
    from service.keys import read_keys

    keys = read_keys(_file(file))
    if as_json:
        print_json([key.model_dump(mode="json", exclude={"hash"}) for key in keys])
        return
    for key in keys:
        words: list[str] = sorted(key.scopes)
        words += [key.rate] if key.rate else []
        words += [f"{key.concurrency} at a time"] if key.concurrency else []
        words += [f"until {key.expires:%Y-%m-%d}"] if key.expires else []
        console.print(f"{key.id}  {key.name}  {', '.join(words)}", markup=False)


def _file(file: Path | None) -> Path:
    from service.settings import PREFIX, load_settings

    chosen = file or load_settings().keys_file
    if chosen is None:
        raise UserError(f"No file of keys is named. Give --file, or set {PREFIX}KEYS_FILE.")
    return chosen
