"""Probe: what a model answers when it is asked everything, kept in a ledger that survives a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from kg_builder.files import digest, read_jsonl, write_jsonl
from kg_builder.question import Question
from training.generation import Generation, Message, Model, Sampling
from training.language_pack import language_pack
from training.split import ALONE, Split

# What a model said greedily, by the digest of the conversation.
Told = Mapping[str, Generation]


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
    """What the model said to one question: the greedy answer and the sampled ones.

    ``asked`` is a digest of the very words in which it was asked: an answer to another wording does not
    count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    greedy: Generation
    samples: tuple[Generation, ...] = ()
    asked: str = ""


def ask(question: Question, prompt: int = 0) -> list[Message]:
    """The conversation that puts ``question`` to a model."""
    content = language_pack(question.language).prompt(question.text, prompt)
    return [{"role": "user", "content": content}]


def told_by(probes: Iterable[Probe]) -> Told:
    """The greedy answers of ``probes``."""
    return {one.asked: one.greedy for one in probes}


def ask_or_recall(
    model: Model, conversations: Sequence[Sequence[Message]], sampling: Sampling, told: Told
) -> list[Generation]:
    """One generation per conversation, in order; the model is asked what it has not ``told`` already, by the
    same settings."""
    known = [told.get(digest(conversation)) for conversation in conversations] if told else []
    if not any(known):
        return model.generate(conversations, sampling)
    asked = [c for c, one in zip(conversations, known, strict=True) if one is None]
    found = iter(model.generate(asked, sampling) if asked else [])
    return [next(found) if one is None else one for one in known]


def probe(
    model: Model,
    questions: Sequence[Question],
    ledger: Path,
    settings: ProbeSettings,
    *,
    progress: bool = True,
    split: Split = ALONE,
    between: Callable[[], None] = lambda: None,
) -> list[Probe]:
    """Ask everything that the ledger does not hold yet; return one probe per question, in order.

    The ledger is append-only JSON Lines. Its first line names the model and the settings; a ledger made
    by others is set aside (``.old``) and begun anew. A line that a kill cut short is dropped. With a
    ``split`` over several processes each asks its share of the chunks and keeps a ledger of its own beside
    the common one; the last step joins them, so that the ledger is that of one process. ``between`` is
    called before every chunk.
    """
    head = {"model": model.name, "settings": digest(settings.model_dump(exclude={"chunk"}))}
    wanted = {q.id: digest(ask(q, settings.prompt)) for q in questions}
    own = ledger if split.count == 1 else ledger.with_name(f"{ledger.name}.{split.rank}")

    def read(paths: Sequence[Path]) -> dict[str, Probe]:
        found = (p for path in paths for p in read_ledger(path, head))
        return {p.question_id: p for p in found if wanted.get(p.question_id, p.asked) == p.asked}

    done = read([ledger, *_shares(ledger)])
    missing = [q for q in questions if q.id not in done]
    split.wait()  # nobody writes before everybody has read
    if missing:
        chunks = [
            missing[start : start + settings.chunk]
            for start in range(0, len(missing), settings.chunk)
        ][split.rank :: split.count]
        _begin(own, head)
        with own.open("a", encoding="utf-8", newline="\n") as stream:
            bar = tqdm(total=sum(map(len, chunks)), desc="probe", unit="q", disable=not progress)
            for chunk in chunks:
                between()
                for found in _ask_all(model, chunk, settings):
                    stream.write(found.model_dump_json() + "\n")
                    done[found.question_id] = found
                stream.flush()
                os.fsync(stream.fileno())
                bar.update(len(chunk))
            bar.close()
    split.wait()
    if split.first and (shares := _shares(ledger)):
        everything = read([ledger, *shares])
        order = [q.id for q in questions]
        others = [identity for identity in everything if identity not in wanted]
        _begin(ledger, head)  # sets another's aside
        write_jsonl(ledger, [head, *(everything[identity] for identity in [*order, *others])])
        for share in shares:
            share.unlink()
    split.wait()
    if split.count > 1:
        done = read([ledger])
    return [done[q.id] for q in questions]


def _shares(ledger: Path) -> list[Path]:
    """The ledgers of single processes beside the common one."""
    return sorted(p for p in ledger.parent.glob(f"{ledger.name}.*") if p.suffix[1:].isdigit())


def _begin(ledger: Path, head: dict[str, str]) -> None:
    """Make sure that ``ledger`` starts with ``head``; what others began is set aside, not lost."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    if _lines(ledger)[:1] == [json.dumps(head).encode()]:
        return
    if ledger.exists():
        ledger.replace(ledger.with_name(ledger.name + ".old"))
    ledger.write_text(json.dumps(head) + "\n", encoding="utf-8")


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
        yield Probe(
            question_id=question.id,
            greedy=greedy[i],
            samples=tuple(r[i] for r in rounds),
            asked=digest(conversations[i]),
        )


def read_ledger(ledger: Path, head: dict[str, str]) -> list[Probe]:
    """The whole lines of a ledger whose first line is ``head``; a torn tail is cut off the file.

    A line that is damaged is left out: its question will be asked again, the others not.
    """
    lines = _lines(ledger)
    try:
        if not lines or json.loads(lines[0]) != head:
            return []
    except ValueError:
        return []
    whole = sum(len(line) + 1 for line in lines)
    if whole < ledger.stat().st_size:
        with ledger.open("r+b") as stream:
            stream.truncate(whole)
    found = []
    for line in lines[1:]:
        try:
            found.append(Probe.model_validate_json(line))
        except ValueError:
            continue
    return found


def read_probes(ledger: Path) -> list[Probe]:
    """All that a finished ledger holds."""
    lines = read_jsonl(ledger)
    next(lines)  # what it was made with
    return [Probe.model_validate(record) for record in lines]


def _lines(ledger: Path) -> list[bytes]:
    """The complete lines of a file, without their ends; none where there is no file."""
    try:
        data = ledger.read_bytes()
    except FileNotFoundError:
        return []
    # Split at \n alone: answers hold other line separators (U+2028, U+0085) unescaped.
    return data.split(b"\n")[:-1]
