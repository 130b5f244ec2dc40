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
    from training.bundle import Bundle
    from training.calibrated import CalibratedModel
    from training.engine.openai import RemoteModel


class RunError(UserError):
    """A run is not finished, or not there."""


# A server that does not answer is asked once more: a question's deadline leaves no time for patience.
REMOTE_TRIES = 2
REMOTE_PAUSE = 0.2  # seconds
SMALL = 30_000_000  # weights; below this, threads of one network wait for each other


def open_run(out: Path, settings: Settings | None = None) -> tuple[CalibratedModel, RetrievalChain]:
    """The calibrated model and the retrieval chain of a finished run.

    The model runs in this process, or where ``settings`` say; they also name a web search and a
    reading model.
    """
    if read_manifest(out / "calibration") is None or read_manifest(out / "retrieval") is None:
        raise RunError(f"{out} holds no finished run. Make one: zhizhi demo --out {out}")
    from retrieval.chain import RetrievalChain
    from retrieval.engines import open_index
    from training.bundle import Bundle
    from training.calibrated import CalibratedModel
    from zhizhi.searching import make_chain

    bundle = Bundle.load(out / "bundle")
    if settings is not None and settings.model_url:
        model = remote_model(bundle, settings)
    else:
        model = CalibratedModel.load(bundle)
    index = open_index(out / "index")
    return model, RetrievalChain(index) if settings is None else make_chain(index, settings)


def remote_model(bundle: Bundle, settings: Settings) -> CalibratedModel:
    """The bundle's model behind the OpenAI-compatible server that the settings name."""
    from training.calibrated import CalibratedModel
    from training.engine.openai import RemoteModel, RemoteSettings

    key = settings.model_key.get_secret_value() if settings.model_key else None

    def model(name: str, base: RemoteModel | None = None) -> RemoteModel:
        asked = RemoteSettings(
            base_url=settings.model_url,
            model=name,
            timeout=settings.deadline_ms / 1000,
            connect_timeout=2.0,
            concurrency=settings.max_batch,
            tries=REMOTE_TRIES,
            first_pause=REMOTE_PAUSE,
        )
        prefixes = tuple(bundle.spec.refusal_prefixes.values())
        return RemoteModel(asked, name=bundle.name, refusal_prefix=prefixes, base=base, key=key)

    untuned = model(settings.model_base_name) if settings.model_base_name else None
    tuned = model(settings.model_name or bundle.spec.base.id, untuned)
    return CalibratedModel(tuned, bundle.spec, bundle.name)


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


def open_to_serve(
    out: Path, settings: Settings | None = None
) -> tuple[CalibratedModel, RetrievalChain]:
    """A run as it is served: ``open_run``, and a small model in one thread."""
    model, chain = open_run(out, settings)
    _use_few_threads(model)
    return model, chain


def _use_few_threads(model: CalibratedModel) -> None:
    """Run a small model in one thread: in batches of a service's size a second one gains it nothing, and
    takes the core that HTTP and retrieval would use (bench/service.py: a quarter less throughput)."""
    from training.engine.local import LocalModel

    if not isinstance(model.model, LocalModel):
        return
    import torch

    network = model.model.model
    weights = sum(p.numel() for p in network.parameters())
    if network.device.type == "cpu" and weights < SMALL:
        torch.set_num_threads(1)


def serve_run(out: Path, settings: Settings, listener: socket.socket | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    from service.app import create_app
    from service.server import serve

    def load() -> tuple[CalibratedModel, RetrievalChain]:
        return open_to_serve(out, settings)

    logging.getLogger("httpx").setLevel(logging.WARNING)
    app = create_app(settings, *load(), examples=examples(out), load=load)
    return serve(app, settings, listener=listener, on_started=_announce(out))


def _announce(out: Path) -> Callable[[str], None]:
    def say(url: str) -> None:
        console.print(
            f"\n[bold]Zhizhi answers at {url}[/bold]   (run: {out}, API: {url}docs, stop: Ctrl-C)"
        )

    return say
