"""Open what is to be served, and serve it: a finished run, an index of documents, or both together.

run            the model answers, its own index stands behind the refusals
run and index  the model answers, the documents of the index stand behind the refusals
index          no model: every question goes to the documents
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kg_builder.errors import UserError
from kg_builder.files import read_jsonl, read_manifest
from kg_builder.question import Question
from zhizhi.stage import console

if TYPE_CHECKING:
    from retrieval.chain import RetrievalChain
    from service.requests import Example
    from service.retrieval_only import RetrievalOnly
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


@dataclass(frozen=True)
class Served:
    """What is served: at least one of the two. Without a run there is no model."""

    run: Path | None
    index: Path | None = None  # in place of the run's own


def open_run(
    out: Path, settings: Settings | None = None, index_folder: Path | None = None
) -> tuple[CalibratedModel, RetrievalChain]:
    """The calibrated model and the retrieval chain of a finished run.

    The model runs in this process, or where ``settings`` say; they also name a web search and a
    reading model. With an ``index_folder`` the run needs no index of its own.
    """
    stages = ("calibration", "retrieval") if index_folder is None else ("calibration",)
    if any(read_manifest(out / stage) is None for stage in stages):
        raise RunError(
            f"{out} holds no finished run. Make one: zhizhi demo --out {out}. "
            "Documents can be served without a run: zhizhi serve --documents FOLDER"
        )
    from training.bundle import Bundle
    from training.calibrated import CalibratedModel

    bundle = Bundle.load(out / "bundle")
    if settings is not None and settings.model_url:
        model = remote_model(bundle, settings)
    else:
        model = CalibratedModel.load(bundle)
    chain = open_chain(index_folder or out / "index", settings)
    return model.over(chain.identity), chain


def open_chain(folder: Path, settings: Settings | None = None) -> RetrievalChain:
    """The retrieval chain over an index; IndexRefusedError, with the reason, where it cannot be served."""
    from retrieval.chain import RetrievalChain
    from retrieval.engines import open_index
    from zhizhi.searching import make_chain

    index = open_index(folder)
    return RetrievalChain(index) if settings is None else make_chain(index, settings)


def open_documents(folder: Path, settings: Settings) -> tuple[RetrievalOnly, RetrievalChain]:
    """An index of documents without a model. Raises RunError where the settings leave nothing to answer."""
    from service.retrieval_only import RetrievalOnly

    if settings.fallback == "never":
        raise RunError(
            "ZHIZHI_FALLBACK=never refuses every question where there is no model. "
            "Unset it, or name a run with --out."
        )
    if settings.model_url:
        console.print("ZHIZHI_MODEL_URL is not used: there is no run whose model it could serve.")
    return RetrievalOnly(), open_chain(folder, settings)


def open_served(
    served: Served, settings: Settings
) -> tuple[CalibratedModel | RetrievalOnly, RetrievalChain]:
    """What answers, and what looks up."""
    if served.run is not None:
        return open_to_serve(served.run, settings, served.index)
    assert served.index is not None, "neither a run nor an index is named"
    return open_documents(served.index, settings)


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
    return CalibratedModel.of(tuned, bundle)


def examples(out: Path, count: int = 3, *, rare: bool = True) -> list[Example]:
    """Questions of the test split for the page to offer: popular ones, and ``rare`` ones."""
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
    offered = [*picked[:count], *(picked[-count:] if rare else [])]
    return [Example(question=q.text, language=q.language) for q in offered]


def open_to_serve(
    out: Path, settings: Settings | None = None, index_folder: Path | None = None
) -> tuple[CalibratedModel, RetrievalChain]:
    """A run as it is served: ``open_run``, and a small model in one thread."""
    model, chain = open_run(out, settings, index_folder)
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


def run_service(served: Served, settings: Settings, listener: socket.socket | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    from service.app import create_app
    from service.server import serve

    def load() -> tuple[CalibratedModel | RetrievalOnly, RetrievalChain]:
        return open_served(served, settings)

    logging.getLogger("httpx").setLevel(logging.WARNING)
    model, chain = load()
    # The run's rare questions are answered by its own index alone.
    offered = examples(served.run, rare=served.index is None) if served.run else []
    app = create_app(settings, model, chain, examples=offered, load=load)
    return serve(app, settings, listener=listener, on_started=_announce(served))


def _announce(served: Served) -> Callable[[str], None]:
    parts = [f"run: {served.run}" if served.run else "retrieval alone, no model"]
    if served.index is not None:
        parts.append(f"index: {served.index}")

    def say(url: str) -> None:
        console.print(
            f"\n[bold]Zhizhi answers at {url}[/bold]   ({', '.join(parts)}, API: {url}docs, stop: Ctrl-C)"
        )

    return say
