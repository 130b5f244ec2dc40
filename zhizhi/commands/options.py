"""Options and output that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Out = Annotated[Path, typer.Option("--out", help="Folder of the run; made if absent.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RecipeName = Annotated[
    str, typer.Option("--recipe", help="A recipe file, or the name of one that comes with zhizhi.")
]
Port = Annotated[int | None, typer.Option("--port", help="Port to serve on.  \\[default: 8000]")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.")]
RUN = Path("runs/demo")

# What `serve` and `ask` answer from.
ServedRun = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder of a finished run, whose model answers. Where none of the three is given: "
        "runs/demo. With --index or --documents alone there is no model.",
    ),
]
ServedIndex = Annotated[
    Path | None,
    typer.Option(
        "--index", help="Index that questions are looked up in, in place of the run's own."
    ),
]
Documents = Annotated[
    list[Path] | None,
    typer.Option(
        "--documents",
        help="Documents (files or folders; may be repeated) to index first, into --index or "
        "runs/NAME; skipped where nothing has changed.",
    ),
]


def print_json(value: Any) -> None:
    """One JSON object on stdout: results go there, words to stderr."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    # JSON leaves some characters as they are that a terminal obeys.
    typer.echo(
        "".join(c if c in "\n" or c.isprintable() or c == "\u3000" else escaped(c) for c in text)
    )


def escaped(character: str) -> str:
    """A character as JSON writes it out."""
    return json.dumps(character, ensure_ascii=True)[1:-1]
