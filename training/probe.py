"""Probe: what a model answers when it is asked everything, kept in a ledger that survives a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tqdm import tqdm

from kg_builder.files import digest
from kg_builder.question import Question
from training.generation import Generation, Message, Model, Sampling
from training.language_pack import language_pack


class ProbeSettings(BaseModel):
    """How the model is asked."""

    model_config = ConfigDict(extra="forbid")

    prompt: int = Field(0, ge=0)  # wording of the language pack; 0 is the experiment's
    samples: int = Field(0, ge=0)  # sampled answers beside the greedy one
    temperature: float = Field(0.7, gt=0)
    top_p: float = Field(0.95, gt=0, le=1)
    max_new_tokens: int = Field(40, ge=1)
    seed: int = 0
    chunk: int = Field(512, ge=1)  # questions between two writes to the ledger


class Probe(BaseModel):
    """What the model said to one question: the greedy answer and the sampled ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    greedy: Generation
    samples: tuple[Generation, ...] = ()


def ask(question: Question, prompt: int = 0) -> list[Message]:
    """The conversation that puts ``question`` to a model."""
    content = language_pack(question.language).prompt(question.text, prompt)
    return [{"role": "user", "content": content}]


def probe(
    model: Model,
    questions: Sequence[Question],
    ledger: Path,
    settings: ProbeSettings,
    *,
    progress: bool = True,
) -> list[Probe]:
    """Ask everything that the ledger does not hold yet; return one probe per question, in order.

    The ledger is append-only JSON Lines. Its first line names the model and the settings; a ledger made
    by others is not continued but replaced. A line that a kill cut short is dropped.
    """
    head = {"model": model.name, "settings": digest(settings.model_dump(exclude={"chunk"}))}
    done = {p.question_id: p for p in read_ledger(ledger, head)}
    missing = [q for q in questions if q.id not in done]
    if missing:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        if not done:
            ledger.write_text(json.dumps(head) + "\n", encoding="utf-8")
        with ledger.open("a", encoding="utf-8") as stream:
            bar = tqdm(total=len(missing), desc="probe", unit="q", disable=not progress)
            for start in range(0, len(missing), settings.chunk):
                chunk = missing[start : start + settings.chunk]
                for found in _ask_all(model, chunk, settings):
                    done[found.question_id] = found
                    stream.write(found.model_dump_json() + "\n")
                stream.flush()
                os.fsync(stream.fileno())
                bar.update(len(chunk))
            bar.close()
    return [done[q.id] for q in questions]


def _ask_all(
    model: Model, questions: Sequence[Question], settings: ProbeSettings
) -> Iterable[Probe]:
    conversations = [ask(q, settings.prompt) for q in questions]
    greedy = model.generate(
        conversations, Sampling(max_new_tokens=settings.max_new_tokens, seed=settings.seed)
    )
    rounds = [
        model.generate(
            conversations,
            Sampling(
                max_new_tokens=settings.max_new_tokens,
                temperature=settings.temperature,
                top_p=settings.top_p,
                seed=settings.seed + 1 + k,
            ),
        )
        for k in range(settings.samples)
    ]
    for i, question in enumerate(questions):
        yield Probe(question_id=question.id, greedy=greedy[i], samples=tuple(r[i] for r in rounds))


def read_ledger(ledger: Path, head: dict[str, str]) -> list[Probe]:
    """The whole lines of a ledger whose first line is ``head``; a torn tail is cut off the file."""
    try:
        data = ledger.read_bytes()
    except FileNotFoundError:
        return []
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.decode("utf-8", errors="replace").splitlines()
    try:
        if not lines or json.loads(lines[0]) != head:
            return []
        found = [Probe.model_validate_json(line) for line in lines[1:]]
    except (ValueError, ValidationError):
        return []
    if len(whole) < len(data):
        with ledger.open("r+b") as stream:
            stream.truncate(len(whole))
    return found
