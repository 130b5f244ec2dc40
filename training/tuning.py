"""What every tuning stage shares: the watched curves, the resumable work folder, the chosen checkpoint."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from kg_builder.files import FileError, digest, read_jsonl, write_json, write_jsonl, write_manifest
from kg_builder.question import Question
from training.bundle import fingerprint
from training.curves import CurveRow, curve_row
from training.engine.folding import folded, worth_folding
from training.engine.local import LocalModel
from training.errors import TrainingError
from training.generation import Sampling
from training.label import Label, known_by_id
from training.language_pack import language_pack
from training.probe import ask

CURVES = "curves.jsonl"
# What a Trainer's checkpoint holds besides the weights and the tokenizer.
LEFT_OUT = ("optimizer*", "scheduler*", "rng*", "trainer*", "training*", "README.md", "ref")
NEW_TOKENS = 40


class CurveCallback(TrainerCallback):
    """Asks the model its questions every so many steps and writes a row per question set.

    Every process asks (a sharded model needs them all); the first one writes. ``untuned`` are the answers
    that the model gave to these prompts before it was tuned, by question: step 0 is not asked again.
    """

    def __init__(
        self,
        tokenizer: Any,
        sets: dict[str, Sequence[Question]],
        known: dict[str, bool],
        every: int,
        out: Path,
        tensorboard: bool = False,
        untuned: Mapping[str, str] | None = None,
        one_line: bool = False,
    ) -> None:
        self.one_line = one_line
        self.untuned = untuned or {}
        self.tokenizer = tokenizer
        self.sets = sets
        self.known = known
        self.every = every
        self.out = out
        self.rows: list[CurveRow] = []
        self.tensorboard = tensorboard

    def _measure(self, model: Any, state: TrainerState, *, alone: bool) -> None:
        step = state.global_step
        if any(row.step == step for row in self.rows):
            return
        asked = {q.id for questions in self.sets.values() for q in questions}
        if step == 0 and asked <= self.untuned.keys():
            texts = {name: [self.untuned[q.id] for q in part] for name, part in self.sets.items()}
        else:
            texts = self._ask(model, alone=alone)
        for name, questions in self.sets.items():
            self.rows.append(curve_row(name, step, questions, texts[name], self.known))
        if state.is_world_process_zero:
            write_jsonl(self.out / CURVES, self.rows)
            if self.tensorboard:
                self._show(step)

    def _ask(self, model: Any, *, alone: bool) -> dict[str, list[str]]:
        """What the model says now, by question set; it is left in the mode that it was in."""
        training = model.training
        prefixes = refusal_prefixes(self.sets)
        asked = folded(model) if alone and worth_folding(model) else model
        local = LocalModel(
            asked,
            self.tokenizer,
            name="tuned",
            refusal_prefix=prefixes,
            one_line=self.one_line,
        )
        sampling = Sampling(max_new_tokens=NEW_TOKENS, stop_at_refusal=True)
        texts = {
            name: [g.text for g in local.generate([ask(q) for q in questions], sampling)]
            for name, questions in self.sets.items()
        }
        model.train(training)
        return texts

    def _show(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(self.out / "tensorboard")) as writer:
            for row in self.rows:
                if row.step != step:
                    continue
                for key, value in row.model_dump(exclude={"set", "step"}).items():
                    if isinstance(value, int | float):
                        writer.add_scalar(f"{row.set}/{key}", value, step)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step:
            try:
                rows = [CurveRow.model_validate(r) for r in read_jsonl(self.out / CURVES)]
            except FileError:
                rows = []  # they are measured again from here on
            self.rows = [row for row in rows if row.step <= state.global_step]
        self._measure(kwargs["model"], state, alone=args.world_size == 1)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self._measure(kwargs["model"], state, alone=args.world_size == 1)
            control.should_save = True


def quiet(trainer: Trainer) -> None:
    """No progress bar means no words either: without one a Trainer prints its log to stdout, which is for
    results."""
    trainer.remove_callback(PrinterCallback)


def evaluate_every(steps: int, evaluations: int) -> int:
    """Steps from one point of the curves to the next; the last falls on the last step."""
    return max(1, math.ceil(steps / evaluations))


def refusal_prefixes(sets: Mapping[str, Sequence[Question]]) -> list[str]:
    """How a refusal begins in each language that is asked in."""
    languages = {q.language for questions in sets.values() for q in questions}
    return [language_pack(language).refusal_prefix for language in sorted(languages)]


def inputs_digest(
    settings: dict[str, Any],
    examples: Sequence[Any],
    base: str | Path,
    sets: dict[str, Sequence[Question]],
    labels: Sequence[Label],
    *more: Any,
) -> str:
    """What a tuning run depends on: a run that finds its own digest is done or goes on."""
    known = known_by_id(labels)
    return digest(
        [
            settings,
            [e.model_dump() for e in examples],
            fingerprint(Path(base)) if Path(base).is_dir() else str(base),
            {
                name: [[q.id, q.text, known.get(q.id)] for q in questions]
                for name, questions in sets.items()
            },
            *more,
        ]
    )


def work_folder(out: Path, inputs: str) -> Path:
    """``out/checkpoints``, emptied where it was left by a run with other inputs."""
    work = out / "checkpoints"
    marker = work / "inputs.txt"
    if work.exists() and (not marker.exists() or marker.read_text(encoding="utf-8") != inputs):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    marker.write_text(inputs, encoding="utf-8")
    return work


def check_sets(sets: dict[str, Sequence[Question]], choose_on: str) -> None:
    if not sets.get(choose_on):
        known = ", ".join(name for name, questions in sets.items() if questions) or "none"
        raise TrainingError(
            f"There are no questions in the set {choose_on!r}, on which the checkpoint is chosen. "
            f"Sets with questions: {known}."
        )


def best_step(rows: Sequence[CurveRow], chosen_on: str, wrong_costs: float) -> int:
    """The step with the best right − cost × wrong on the choosing set; the first such (stop early)."""
    candidates = [row for row in rows if row.set == chosen_on and row.step > 0]
    return max(
        candidates, key=lambda r: (r.correct - wrong_costs * (r.answered - r.correct), -r.step)
    ).step


def keep_chosen(
    out: Path, work: Path, step: int, log: list[dict[str, float]], manifest: dict[str, Any]
) -> None:
    """Copy checkpoint ``step`` to ``out/adapter``, write log and, last, manifest; drop the others."""
    adapter = out / "adapter"
    aside = out / ".adapter"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(work / f"checkpoint-{step}", aside, ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.rmtree(adapter, ignore_errors=True)
    aside.rename(adapter)
    write_json(out / "training_log.json", log)
    write_manifest(out, {**manifest, "chosen_step": step})
    shutil.rmtree(work)
