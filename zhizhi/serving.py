"""Open a finished run and serve it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kg_builder.errors import UserError
from kg_builder.files import read_jsonl, read_manifest
from kg_builder.question import Question
from zhizhi.stage import console

if TYPE_CHECKING:
    from retrieval.chain import RetrievalChain
    from service.requests import Example
    from service.settings import Settings
    from training.calibrated import CalibratedModel


class RunError(UserError):
    """A run is not finished, or not there."""


def open_run(out: Path) -> tuple[CalibratedModel, RetrievalChain]:
    """The calibrated model and the retrieval chain of a finished run."""
    if read_manifest(out / "calibration") is None or read_manifest(out / "retrieval") is None:
        raise RunError(f"{out} holds no finished run. Make one: zhizhi demo --out {out}")
    from retrieval.chain import RetrievalChain
    from retrieval.engines import open_index
    from training.bundle import Bundle
    from training.calibrated import CalibratedModel

    model = CalibratedModel.load(Bundle.load(out / "bundle"))
    return model, RetrievalChain(open_index(out / "index"))


def examples(out: Path, count: int = 3) -> list[Example]:
    """Questions of the test split for the page to offer: popular ones, and rare ones."""
    from service.requests import Example

    questions = [
        q
        for r in read_jsonl(out / "graph" / "questions.jsonl")
        if (q := Question.model_validate(r)).split == "test"
    ]
    questions.sort(key=lambda q: (-(q.popularity or 0), q.id))
    # One a relation, so that the examples differ.
    chosen: dict[str, Question] = {}
    for question in [*questions[:60], *reversed(questions[-60:])]:
        chosen.setdefault(question.relation, question)
    picked = list(chosen.values())
    return [
        Example(question=q.text, language=q.language) for q in [*picked[:count], *picked[-count:]]
    ]


def serve_run(out: Path, settings: Settings, listener: socket.socket | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    from service.app import create_app
    from service.server import serve

    model, chain = open_run(out)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app = create_app(settings, model, chain, examples=examples(out))
    return serve(app, settings, listener=listener, on_started=_announce(out))


def _announce(out: Path) -> Callable[[str], None]:
    def say(url: str) -> None:
        console.print(
            f"\n[bold]Zhizhi answers at {url}[/bold]   (run: {out}, API: {url}docs, stop: Ctrl-C)"
        )

    return say
