"""Run an evaluation: every arm on the same questions, everything passed in.

result = evaluate(questions=test, base_model=base, attempter=model, chain=chain, labels=labels)
result.table()
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from eval.arms import ARMS, Arm, ArmName, Prompted, RefusalPhrase, Routed, timed
from eval.counts import Known
from eval.record import Record
from eval.remembered import Remembered
from kg_builder.question import Question
from service.backend import Backend
from service.seams import Chain, Sources
from service.settings import load_settings
from training.attempt import Attempt, Attempter, OperatingPoint
from training.generation import Model
from training.label import Label

Labels = Sequence[Label] | Mapping[str, Known]


class EvaluationSettings(BaseModel):
    """How is measured."""

    model_config = ConfigDict(extra="forbid")

    profile: str | None = None  # operating point; None: the bundle's default
    plain_prompt: int = Field(2, ge=0)  # wording under which the base always answers
    prompt: int = Field(0, ge=0)  # wording of prompt_only: the experiment's
    max_new_tokens: int = Field(40, ge=1)
    sources: Sources = "index"
    arms: tuple[ArmName, ...] = ARMS
    latency_questions: int = Field(60, ge=0)  # asked one by one, for p50 and p95
    chunk: int = Field(128, ge=1)  # questions to a batch
    threads: int = Field(2, ge=1)  # questions retrieved for at once
    confidence: float = Field(0.95, gt=0, lt=1)  # of the intervals
    resamples: int = Field(1000, ge=20)
    seed: int = 20
    examples: int = Field(12, ge=0)  # gained answers shown in the table


@dataclass
class ArmResult:
    """One arm's records, in the order of the questions, and its latencies in milliseconds."""

    name: str
    records: list[Record]
    latencies_ms: list[float] = field(default_factory=list)


@dataclass
class EvaluationResult:
    """Everything that was measured; figures are made of it by ``table``."""

    questions: list[Question]
    known: list[Known]  # aligned with questions
    arms: dict[str, ArmResult]
    attempts: list[Attempt]  # aligned with questions
    point: OperatingPoint
    settings: EvaluationSettings
    ablation: ArmResult | None = None  # the model tuned on fixed-form answers, its own words

    def table(self) -> dict[str, Any]:
        """The figures as one JSON-able object (see eval.table)."""
        from eval.table import table

        return table(self)


def evaluate(
    *,
    questions: Sequence[Question],
    base_model: Model,
    attempter: Attempter,
    chain: Chain | None,
    labels: Labels | None = None,
    settings: EvaluationSettings | None = None,
    ablation_model: Model | None = None,
    progress: bool = True,
) -> EvaluationResult:
    """Ask every arm every question.

    ``labels`` say what the base model knows (training.label); without them it is what the base arm has
    right. Without a ``chain`` the arms that need one are left out. ``ablation_model`` is the model tuned
    on answers of a fixed form.
    """
    settings = settings or EvaluationSettings()
    questions = list(questions)
    remembered = Remembered(attempter, chain, threads=settings.threads)
    service = load_settings()
    backend = Backend(attempter, chain, service)
    point = attempter.operating_point(profile=settings.profile, min_precision=None)
    try:
        arms = {
            arm.name: measure(arm, questions, settings, progress)
            for arm in _arms(settings, base_model, remembered, backend, point)
        }
        ablation = None
        if ablation_model is not None:
            arm = Prompted(
                "fixed_form",
                ablation_model,
                prompt=settings.prompt,
                max_new_tokens=settings.max_new_tokens,
            )
            ablation = measure(arm, questions, settings, progress, latency=False)
        attempts = remembered.attempts([q.text for q in questions])
    finally:
        remembered.close()
        backend.close(timeout=5)
    return EvaluationResult(
        questions=questions,
        known=known_of(questions, labels, arms.get("base")),
        arms=arms,
        attempts=attempts,
        point=point,
        settings=settings,
        ablation=ablation,
    )


def _arms(
    settings: EvaluationSettings,
    base: Model,
    remembered: Remembered,
    backend: Backend,
    point: OperatingPoint,
) -> Iterable[Arm]:
    def routed(name: str, fallback: Any) -> Arm:
        return Routed(name, remembered, backend, point, fallback=fallback, sources=settings.sources)

    def prompted(name: str, prompt: int) -> Arm:
        return Prompted(name, base, prompt=prompt, max_new_tokens=settings.max_new_tokens)

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


def measure(
    arm: Arm,
    questions: Sequence[Question],
    settings: EvaluationSettings,
    progress: bool,
    *,
    latency: bool = True,
) -> ArmResult:
    """Ask one arm: some questions alone for the latency, then all of them in batches."""
    sample = latency_sample(questions, settings) if latency else []
    total = len(questions) + (len(sample) + 1 if sample else 0)
    with tqdm(total=total, desc=arm.name, unit="q", disable=not progress) as bar:
        # Before the batches, so that no cache behind the arm has seen the question.
        latencies = timed(arm, sample, lambda: _tick(bar, 1)) if sample else []
        records: list[Record] = []
        for start in range(0, len(questions), settings.chunk):
            chunk = questions[start : start + settings.chunk]
            replies = arm.replies(chunk)
            records += [Record.of(q, r) for q, r in zip(chunk, replies, strict=True)]
            _tick(bar, len(chunk))
    return ArmResult(arm.name, records, latencies)


def _tick(bar: Any, by: int) -> None:
    bar.update(by)


def latency_sample(questions: Sequence[Question], settings: EvaluationSettings) -> list[Question]:
    """The same questions for every arm."""
    count = min(settings.latency_questions, len(questions))
    return random.Random(settings.seed).sample(list(questions), count)


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
