"""SFT: fine-tune adapters on the mixture with trl, watching the four curves."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from kg_builder.files import digest, read_manifest, write_json, write_jsonl, write_manifest
from kg_builder.question import Question
from training.curves import CurveRow, curve_row
from training.engine.local import LocalModel
from training.generation import Sampling
from training.label import Label
from training.mix import TuningExample
from training.probe import ask
from training.sft_settings import SFTSettings


class CurveCallback(TrainerCallback):
    """Asks the model its questions every so many steps and writes a row per question set."""

    def __init__(
        self,
        tokenizer: Any,
        sets: dict[str, Sequence[Question]],
        known: dict[str, bool],
        every: int,
        out: Path,
        settings: SFTSettings,
    ) -> None:
        self.tokenizer = tokenizer
        self.sets = sets
        self.known = known
        self.every = every
        self.out = out
        self.settings = settings
        self.rows: list[CurveRow] = []

    def _measure(self, model: Any, step: int) -> None:
        if any(row.step == step for row in self.rows):
            return
        training = model.training
        local = LocalModel(model, self.tokenizer, name="tuned")
        for name, questions in self.sets.items():
            found = local.generate([ask(q) for q in questions], Sampling(max_new_tokens=40))
            texts = [g.text for g in found]
            self.rows.append(curve_row(name, step, questions, texts, self.known))
        model.train(training)
        write_jsonl(self.out / "curves.jsonl", self.rows)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        path = self.out / "curves.jsonl"
        if state.global_step and path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [CurveRow.model_validate_json(line) for line in lines]
            self.rows = [row for row in rows if row.step <= state.global_step]
        self._measure(kwargs["model"], state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self._measure(kwargs["model"], state.global_step)
            control.should_save = True


def tune(
    base: str | Path,
    examples: Sequence[TuningExample],
    sets: dict[str, Sequence[Question]],
    labels: Sequence[Label],
    out: Path,
    settings: SFTSettings,
    *,
    choose_on: str = "calibration",
    progress: bool = True,
) -> Path:
    """Tune ``base`` on ``examples``; the chosen adapter goes to ``out/adapter``; return ``out``.

    ``sets`` are the question sets that the curves are drawn on; the checkpoint is chosen on the one called
    ``choose_on``. A killed run continues from its last checkpoint; a finished one is left as it is.
    """
    inputs = digest([settings.model_dump(), [e.model_dump() for e in examples], str(base)])
    manifest = read_manifest(out)
    if manifest and manifest.get("inputs") == inputs:
        return out
    work = out / "checkpoints"
    marker = work / "inputs.txt"
    if work.exists() and (not marker.exists() or marker.read_text() != inputs):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    marker.write_text(inputs)

    torch.manual_seed(settings.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.padding_side = "right"
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    data = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": e.prompt}],
                "completion": [{"role": "assistant", "content": e.completion}],
            }
            for e in examples
        ]
    )
    per_step = settings.batch_size * settings.gradient_accumulation
    steps = max(1, round(settings.epochs * len(examples) / per_step))
    every = max(1, steps // settings.evaluations)
    known = {one.question_id: bool(one.known) for one in labels if one.known is not None}
    callback = CurveCallback(tokenizer, sets, known, every, out, settings)
    arguments = SFTConfig(
        output_dir=str(work),
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(settings.warmup_share * steps),
        weight_decay=settings.weight_decay,
        max_length=settings.max_length,
        completion_only_loss=True,
        gradient_checkpointing=False,
        logging_steps=max(1, every // 4),
        save_strategy="no",  # the callback saves with every point of the curves
        report_to=[],
        seed=settings.seed,
        disable_tqdm=not progress,
        dataset_num_proc=None,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[callback],
        peft_config=_lora(settings) if settings.method == "lora" else None,
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)))

    best = best_step(callback.rows, choose_on, settings.wrong_costs)
    chosen = work / f"checkpoint-{best}"
    adapter = out / "adapter"
    if adapter.exists():
        shutil.rmtree(adapter)
    shutil.copytree(
        chosen,
        adapter,
        ignore=shutil.ignore_patterns("optimizer*", "scheduler*", "rng*", "trainer*", "training*"),
    )
    write_json(out / "training_log.json", trainer.state.log_history)
    write_manifest(
        out,
        {
            "inputs": inputs,
            "settings": settings.model_dump(),
            "examples": len(examples),
            "steps": steps,
            "chosen_step": best,
        },
    )
    shutil.rmtree(work)
    return out


def _lora(settings: SFTSettings) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules="all-linear" if settings.layers is None else LINEAR,
        layers_to_transform=settings.layers,
        task_type="CAUSAL_LM",
    )


# PEFT takes layers_to_transform only with names written out; these are the Llama family's.
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def best_step(rows: Sequence[CurveRow], chosen_on: str, wrong_costs: float) -> int:
    """The step with the best right − cost × wrong on the choosing set; the first such (stop early)."""
    candidates = [row for row in rows if row.set == chosen_on and row.step > 0]
    return max(
        candidates, key=lambda r: (r.correct - wrong_costs * (r.answered - r.correct), -r.step)
    ).step
