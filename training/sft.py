"""SFT: fine-tune adapters on the mixture with trl, watching the four curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from trl import SFTConfig, SFTTrainer

from kg_builder.files import read_manifest
from kg_builder.question import Question
from training.checkpoints import last_whole
from training.completion_loss import completion_loss
from training.engine.loading import (
    Loading,
    load_network,
    load_tokenizer,
    multiplies_bfloat16,
    tuning_dtype,
)
from training.engine.local import TEMPLATE_OPTIONS
from training.label import Label, known_by_id
from training.mix import TuningExample
from training.refusal_openings import OpeningsCollator
from training.sft_settings import SFTSettings
from training.tuning import (
    CurveCallback,
    best_step,
    check_sets,
    evaluate_every,
    inputs_digest,
    keep_chosen,
    quiet,
    refusal_prefixes,
    work_folder,
)

__all__ = ["best_step", "load_for_tuning", "lora", "tune"]

# PEFT takes layers_to_transform only with names written out; these are the Llama family's.
# Parts of a batch that are padded apart: refusals are longer than answers.
PARTS = 4
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def tune(
    base: str | Path,
    examples: Sequence[TuningExample],
    sets: dict[str, Sequence[Question]],
    labels: Sequence[Label],
    out: Path,
    settings: SFTSettings,
    *,
    choose_on: str = "calibration",
    untuned: Mapping[str, str] | None = None,
    loading: Loading | None = None,
    progress: bool = True,
) -> Path:
    """Tune ``base`` on ``examples``; the chosen adapter goes to ``out/adapter``; return ``out``.

    ``sets`` are the question sets that the curves are drawn on; the checkpoint is chosen on the one called
    ``choose_on``. ``untuned`` are the base's answers under the first wording where they are known, by
    question: the curves begin with them. ``loading`` says how the base is loaded. A killed run continues from
    its last checkpoint; a finished one is left as it is. A model tuned in full is kept whole in
    ``out/adapter``. Under ``accelerate launch`` or ``torchrun`` every
    process calls this with the same arguments.
    """
    check_sets(sets, choose_on)
    loading = loading or {}
    dtype = tuning_dtype(settings.method, loading.get("dtype", "auto"))
    few = loading.get("few_shot")
    told = [dtype, few and few.chat_template]
    inputs = inputs_digest(settings.model_dump(), examples, base, sets, labels, told)
    manifest = read_manifest(out)
    if manifest and manifest.get("inputs") == inputs:
        return out
    arguments = SFTConfig(
        output_dir=str(out / "checkpoints"),
        use_cpu=not torch.cuda.is_available(),
        bf16=multiplies_bfloat16(dtype),
        max_steps=1,  # set below, when the number of processes is known
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        weight_decay=settings.weight_decay,
        max_length=settings.max_length,
        completion_only_loss=True,
        gradient_checkpointing=settings.gradient_checkpointing,
        save_strategy="no",  # the callback saves with every point of the curves
        report_to=["tensorboard"] if settings.tensorboard else [],
        seed=settings.seed,
        disable_tqdm=not progress,
        dataset_num_proc=None,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    steps = step_count(len(examples), settings, arguments.world_size)
    every = evaluate_every(steps, settings.evaluations)
    arguments.max_steps = steps
    arguments.warmup_steps = round(settings.warmup_share * steps)
    arguments.logging_steps = max(1, every // 4)
    with arguments.main_process_first(local=False):
        work = work_folder(out, inputs)

    torch.manual_seed(settings.seed)
    tokenizer, model = load_for_tuning(base, settings, loading)
    callback = CurveCallback(
        tokenizer,
        sets,
        known_by_id(labels),
        every,
        out,
        settings.tensorboard,
        untuned,
        one_line=few is not None,
    )
    openings = refusal_openings(tokenizer, sets)
    tuned_rows = sorted({ids[0] for ids in openings}) if settings.refusal_token else []
    trainer = CompletionSFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([conversation(e) for e in examples]),
        processing_class=tokenizer,
        callbacks=[callback],
        peft_config=None if settings.method == "full" else lora(settings, tuned_rows),
    )
    if settings.whole_refusals < 1:
        trainer.data_collator = OpeningsCollator(
            trainer.data_collator, openings, settings.whole_refusals
        )
    quiet(trainer)
    trainer.train(resume_from_checkpoint=last_whole(work))
    if trainer.is_world_process_zero():
        keep_chosen(
            out,
            work,
            best_step(callback.rows, choose_on, settings.wrong_costs),
            trainer.state.log_history,
            {
                "inputs": inputs,
                "settings": settings.model_dump(),
                "examples": len(examples),
                "steps": steps,
            },
        )
    trainer.accelerator.wait_for_everyone()
    return out


class CompletionSFTTrainer(SFTTrainer):
    """An SFTTrainer that does not project prompts to the vocabulary.

    trl leaves them out on a GPU only; on a CPU that projection is most of a small model's step.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        # A model that is parted or mirrored over processes has to be called through its wrapper.
        if self.args.world_size > 1 or return_outputs:
            return super().compute_loss(  # type: ignore[no-untyped-call]
                model, inputs, return_outputs, num_items_in_batch
            )
        inner = model.get_base_model() if isinstance(model, PeftModel) else model
        with self.accelerator.autocast():
            total, count = completion_loss(inner, inputs["input_ids"], inputs["labels"], PARTS)
        return total / (count if num_items_in_batch is None else num_items_in_batch)


def step_count(examples: int, settings: SFTSettings, processes: int = 1) -> int:
    """Optimiser steps of the whole run."""
    per_step = settings.batch_size * settings.gradient_accumulation * processes
    return max(1, round(settings.epochs * examples / per_step))


def conversation(example: TuningExample) -> dict[str, Any]:
    """An example as trl takes it, under the same chat template as the model is later asked with."""
    return {
        "prompt": [{"role": "user", "content": example.prompt}],
        "completion": [{"role": "assistant", "content": example.completion}],
        "chat_template_kwargs": TEMPLATE_OPTIONS,
    }


def load_for_tuning(
    base: str | Path, settings: SFTSettings, loading: Loading | None = None
) -> tuple[Any, Any]:
    """Tokenizer and network, ready for a Trainer to place."""
    found = loading or {}
    revision = found.get("revision")
    tokenizer = load_tokenizer(base, revision=revision, few_shot=found.get("few_shot"))
    tokenizer.padding_side = "right"
    dtype = tuning_dtype(settings.method, found.get("dtype", "auto"))
    return tokenizer, load_network(base, revision=revision, dtype=dtype, placed=False)


def lora(settings: SFTSettings, refusal_tokens: Sequence[int] = ()) -> LoraConfig:
    """The adapter. ``refusal_tokens`` are given rows of their own in the output projection (and there only,
    so that nothing below the tuned layers needs gradients)."""
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear" if settings.layers is None else LINEAR,
        layers_to_transform=settings.layers,
        trainable_token_indices={"lm_head": list(refusal_tokens)} if refusal_tokens else None,
        task_type="CAUSAL_LM",
    )


def refusal_openings(tokenizer: Any, sets: dict[str, Sequence[Question]]) -> list[list[int]]:
    """The tokens that a refusal begins with in each language that is asked in."""
    return [tokenizer.encode(text, add_special_tokens=False) for text in refusal_prefixes(sets)]
