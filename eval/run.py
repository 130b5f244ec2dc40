"""Run an evaluation: every arm on the same questions, everything passed in.

    result = evaluate(questions=test, base_model=base, attempter=model, chain=chain, labels=labels)
    table(result)

A chunk of questions is put to every arm before the next one, so that whenever time runs out all arms
have been asked the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel
from tqdm import tqdm

from eval.arms import Arm, Prompted, RefusalPhrase, Routed
from eval.counts import Known
from eval.errors import EvalError
from eval.ledger import Ledger
from eval.record import Record
from eval.remembered import Remembered
from eval.result import ArmResult, EvaluationResult
from eval.settings import EvaluationSettings
from kg_builder.files import digest
from kg_builder.question import Question
from service.backend import Backend, binding
from service.seams import Chain, Fallback
from service.settings import load_settings
from training.attempt import Attempt, Attempter, OperatingPoint
from training.generation import Model
from training.label import Label
from training.probe import Told

__all__ = ["ArmResult", "EvaluationResult", "EvaluationSettings", "evaluate", "run_arms"]

Labels = Sequence[Label] | Mapping[str, Known]
Clock = Callable[[], float]
ABLATION = "fixed_form"


class Timing(BaseModel):
    """What one question took when it was asked alone."""

    question_id: str
    ms: float


class _Tried(BaseModel):
    """An attempt in its ledger."""

    question_id: str
    attempt: Attempt


def evaluate(
    *,
    questions: Sequence[Question],
    base_model: Model,
    attempter: Attempter,
    chain: Chain | None,
    labels: Labels | None = None,
    settings: EvaluationSettings | None = None,
    ablation_model: Model | None = None,
    told: Told | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> EvaluationResult:
    """Ask every arm every question.

    ``labels`` say what the base model knows (training.label); without them it is what the base arm has
    right. Without a ``chain`` the arms that need one are left out. ``ablation_model`` is the model tuned
    on answers of a fixed form. ``told`` is what the base model is known to say greedily in
    ``settings.max_new_tokens``: it is not asked that again but for its latency. ``folder`` holds the
    ledgers by which a killed run is continued.
    """
    settings = settings or EvaluationSettings()
    identity = [base_model.name, attempter.name, None if chain is None else chain.name]
    identity.append(getattr(getattr(chain, "reader", None), "name", None))
    remembered = Remembered(attempter, chain, threads=settings.threads, told=told)
    backend = Backend(attempter, chain, load_settings())
    point = binding(attempter.operating_point(profile=settings.profile, min_precision=None), chain)
    tried = Ledger(
        folder and folder / "attempts.jsonl",
        [settings.identity(), identity, _asked(questions)],
        _Tried,
    )
    text_of = {q.id: q.text for q in questions}
    remembered.recall({text_of[t.question_id]: t.attempt for t in tried.entries})

    def keep(chunk: Sequence[Question]) -> None:
        done = {t.question_id for t in tried.entries}
        attempts = remembered.attempts([q.text for q in chunk])
        pairs = zip(chunk, attempts, strict=True)
        tried.append([_Tried(question_id=q.id, attempt=a) for q, a in pairs if q.id not in done])

    arms = list(_arms(settings, base_model, remembered, backend, point, told))
    if ablation_model is not None:
        arms.append(
            Prompted(
                ABLATION,
                ablation_model,
                prompt=settings.prompt,
                max_new_tokens=settings.max_new_tokens,
            )
        )
    try:
        result = run_arms(
            arms, questions, settings, labels=labels, folder=folder, identity=identity,
            after_chunk=keep, untimed=[ABLATION], progress=progress,
        )  # fmt: skip
        result.attempts = remembered.attempts([q.text for q in result.questions])
    finally:
        remembered.close()
        backend.close(timeout=5)
    result.point = point
    result.ablation = result.arms.pop(ABLATION, None)
    return result


def _arms(
    settings: EvaluationSettings,
    base: Model,
    remembered: Remembered,
    backend: Backend,
    point: OperatingPoint,
    told: Told | None,
) -> Iterable[Arm]:
    def routed(name: str, fallback: Fallback) -> Arm:
        return Routed(name, remembered, backend, point, fallback=fallback, sources=settings.sources)

    def prompted(name: str, prompt: int) -> Arm:
        return Prompted(
            name, base, prompt=prompt, max_new_tokens=settings.max_new_tokens, told=told
        )

    for name in settings.arms:
        match name:
            case "base":
                yield prompted(name, settings.plain_prompt)
            case "prompt_only":
                yield prompted(name, settings.prompt)
            case "refusal_phrase":
                yield RefusalPhrase(remembered)
            case "calibrated":
                yield routed(name, "never")
            case "calibrated_fallback" if remembered.chain is not None:
                yield routed(name, "auto")
            case "always_retrieve" if remembered.chain is not None:
                yield routed(name, "always")
    if remembered.chain is None:
        return
    for precision in settings.precisions:
        at = binding(
            remembered.attempter.operating_point(profile=None, min_precision=precision),
            remembered.chain,
            strictly=True,
        )
        yield routed(f"calibrated_fallback@{precision:g}", "auto", at)  # type: ignore[call-arg]
    for sources in settings.also_sources:
        yield routed(f"calibrated_fallback-{sources}", "auto", sources=sources)  # type: ignore[call-arg]


class _Asked:
    """One arm with what it has said so far."""

    def __init__(self, arm: Arm, folder: Path | None, identity: object) -> None:
        def path(kind: str) -> Path | None:
            return None if folder is None else folder / kind / f"{arm.name}.jsonl"

        self.arm = arm
        self.records = Ledger(path("records"), identity, Record)
        self.timings = Ledger(path("latencies"), identity, Timing)
        self.by_id = {r.question_id: r for r in self.records.entries}

    def time(self, sample: Sequence[Question], tick: Callable[[int], None]) -> None:
        """Ask the sample one by one; the first twice, to warm the machine up."""
        done = {t.question_id for t in self.timings.entries}
        missing = [q for q in sample if q.id not in done]
        tick(len(sample) - len(missing))
        found = []
        for number, question in enumerate([*missing[:1], *missing]):
            started = time.perf_counter()
            reply = self.arm.reply_alone(question)
            ms = 1000 * (time.perf_counter() - started)
            tick(1 if number else 0)
            if number and not reply.cached:
                found.append(Timing(question_id=question.id, ms=round(ms, 3)))
        self.timings.append(found)

    def ask(self, chunk: Sequence[Question]) -> None:
        missing = [q for q in chunk if q.id not in self.by_id]
        replies = self.arm.replies(missing) if missing else []
        records = [Record.of(q, r) for q, r in zip(missing, replies, strict=True)]
        self.records.append(records)
        self.by_id.update({r.question_id: r for r in records})


def run_arms(
    arms: Sequence[Arm],
    questions: Sequence[Question],
    settings: EvaluationSettings,
    *,
    labels: Labels | None = None,
    folder: Path | None = None,
    identity: object = None,
    after_chunk: Callable[[Sequence[Question]], None] = lambda _: None,
    untimed: Collection[str] = (),
    progress: bool = True,
    clock: Clock = time.monotonic,
) -> EvaluationResult:
    """Put the questions to ``arms`` until they or the budget end.

    Whatever is in the ledgers under ``folder`` is not asked again, provided that the questions, the
    settings and ``identity`` (the names of the systems) are those it was made with. Of the arms named in
    ``untimed`` no latency is taken.
    """
    twice = [i for i, count in Counter(q.id for q in questions).items() if count > 1]
    if twice or not questions:
        what = (
            f"{len(twice)} ids occur twice, the first is {twice[0]!r}" if twice else "it is empty"
        )
        raise EvalError(
            f"The question set cannot be evaluated: {what}. Give each question its own id."
        )
    end = None if settings.max_minutes is None else clock() + 60 * settings.max_minutes
    order = shuffled(questions, settings.seed)[: settings.max_questions]
    sample = order[: settings.latency_questions]
    run = [settings.identity(), identity, _asked(questions)]
    asked = [_Asked(arm, folder, [run, arm.name]) for arm in arms]
    timed = [one for one in asked if one.arm.name not in untimed]
    done = 0
    with tqdm(
        total=len(order) * len(asked) + len(sample) * len(timed),
        desc="evaluate",
        unit="q",
        disable=not progress,
    ) as bar:

        def tick(count: int) -> None:
            bar.update(count)

        for one in timed:
            bar.set_postfix_str(f"{one.arm.name}: latency")
            # Before the batches, so that no cache behind the arm has seen the questions.
            one.time(sample, tick)
        for start in range(0, len(order), settings.chunk):
            if end is not None and done and clock() >= end:
                break
            chunk = order[start : start + settings.chunk]
            for one in asked:
                bar.set_postfix_str(one.arm.name)
                one.ask(chunk)
                tick(len(chunk))
            after_chunk(chunk)
            done += len(chunk)
    reached = {q.id for q in order[:done]}
    kept = [q for q in questions if q.id in reached]
    results = {
        one.arm.name: ArmResult(
            name=one.arm.name,
            records=[one.by_id[q.id] for q in kept],
            latencies_ms=[t.ms for t in one.timings.entries],
        )
        for one in asked
    }
    return EvaluationResult(
        questions=kept,
        known=known_of(kept, labels, results.get("base")),
        arms=results,
        settings=settings,
        left_out=len(questions) - len(kept),
    )


def shuffled(questions: Sequence[Question], seed: int) -> list[Question]:
    """An order that depends on the questions' ids and the seed alone: any beginning of it is a random
    sample, and the same one whatever order they came in."""
    return sorted(questions, key=lambda q: digest([seed, q.id]))


def _asked(questions: Sequence[Question]) -> str:
    return digest(sorted((q.id, q.text, q.gold.model_dump_json()) for q in questions))


def known_of(
    questions: Sequence[Question], labels: Labels | None, base: ArmResult | None
) -> list[Known]:
    """What the base model knows, by its labels or else by its verdicts; None where that is open."""
    if labels is None:
        if base is None:
            return [None] * len(questions)
        return [{"correct": True, "wrong": False}.get(r.verdict) for r in base.records]
    if not isinstance(labels, Mapping):
        labels = {label.question_id: label.known for label in labels}
    return [labels.get(q.id) for q in questions]
