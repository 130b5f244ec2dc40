"""Preference stage: DPO on the model's own samples, after SFT (Idk-DPO, Cheng et al., ICML 2024).

Known questions prefer the model's right answer to a refusal, which is what lowers over-refusal; unknown ones
prefer the refusal to the wrong answer that the model gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.files import read_manifest
from kg_builder.question import Question
from training.errors import TrainingError
from training.label import Label, known_by_id, verdict
from training.language_pack import is_refusal, language_pack
from training.mix import TuningExample
from training.probe import Probe

if TYPE_CHECKING:
    from training.engine.loading import Loading


class PreferenceSettings(BaseModel):
    """How preferences are tuned."""

    model_config = ConfigDict(extra="forbid")

    beta: float = Field(0.1, gt=0)  # how strongly the SFT model holds back the preference
    sft_weight: float = Field(
        0.0, ge=0
    )  # of the likelihood of the chosen answer, added to the loss
    epochs: float = Field(1, gt=0)
    learning_rate: float = Field(5e-4, gt=0)
    batch_size: int = Field(32, ge=1)
    gradient_accumulation: int = Field(1, ge=1)
    warmup_share: float = Field(0.1, ge=0, lt=1)
    evaluations: int = Field(4, ge=1)
    max_length: int = Field(512, ge=16)
    gradient_checkpointing: bool = False
    wrong_costs: float = Field(1.0, ge=0)  # as for SFT
    seed: int = 0


class PreferencePair(BaseModel):
    """Of two completions of one prompt the better and the worse."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    known: bool
    prompt: str
    chosen: str
    rejected: str


def preference_pairs(
    examples: Sequence[TuningExample],
    questions: Sequence[Question],
    labels: Sequence[Label],
    probes: Sequence[Probe] = (),
) -> list[PreferencePair]:
    """A pair for each example of a mixture, its completion being the chosen one.

    The rejected completion of an unknown question is what the model itself said wrongly, to the very
    question or in one of its samples (``probes``); an unknown question without a wrong answer gives no
    pair. Raises TrainingError where no pair remains.
    """
    by_id = {q.id: q for q in questions}
    found = {one.question_id: one for one in labels}
    probed = {one.question_id: one for one in probes}
    pairs = []
    for example in examples:
        question = by_id[example.question_id]
        if example.known:
            rejected: str | None = language_pack(question.language).refusal(question.topic)
        else:
            rejected = _wrong_answer(question, found[question.id], probed.get(question.id))
        if rejected is not None:
            pairs.append(
                PreferencePair(
                    question_id=question.id,
                    known=example.known,
                    prompt=example.prompt,
                    chosen=example.completion,
                    rejected=rejected,
                )
            )
    if not pairs:
        raise TrainingError(
            f"None of the {len(examples)} examples has something to be preferred to: the model refused "
            "every unknown question by itself. Probe with samples (probe.samples), or leave this stage out."
        )
    return pairs


def _wrong_answer(question: Question, label: Label, probe: Probe | None) -> str | None:
    if label.verdict == "wrong" and label.answer and not is_refusal(label.answer):
        return label.answer
    for generation in probe.samples if probe else ():
        if generation.text and verdict(question, generation.text) == "wrong":
            return generation.text
    return None


def prefer(
    base: str | Path,
    adapter: Path,
    pairs: Sequence[PreferencePair],
    sets: dict[str, Sequence[Question]],
    labels: Sequence[Label],
    out: Path,
    settings: PreferenceSettings,
    *,
    choose_on: str = "calibration",
    loading: Loading | None = None,
    progress: bool = True,
) -> Path:
    """Tune the SFT ``adapter`` further on ``pairs``; the chosen one goes to ``out/adapter``; return ``out``.

    The SFT model is the reference. Curves, choice of checkpoint and resuming are those of ``sft.tune``,
    and so is ``loading``.
    """
    import torch
    from datasets import Dataset
    from peft import PeftModel
    from trl import DPOConfig, DPOTrainer

    from training.bundle import fingerprint
    from training.checkpoints import last_whole
    from training.engine.loading import load_network, load_tokenizer, multiplies_bfloat16
    from training.tuned_head import show_tuned_head
    from training.tuning import (
        CurveCallback,
        best_step,
        check_sets,
        evaluate_every,
        inputs_digest,
        keep_chosen,
        quiet,
        work_folder,
    )

    check_sets(sets, choose_on)
    loading = loading or {}
    dtype, revision, few = (
        loading.get("dtype", "auto"),
        loading.get("revision"),
        loading.get("few_shot"),
    )
    told = [fingerprint(adapter), dtype, few and few.chat_template]
    inputs = inputs_digest(settings.model_dump(), pairs, base, sets, labels, told)
    manifest = read_manifest(out)
    if manifest and manifest.get("inputs") == inputs:
        return out
    on_gpu = torch.cuda.is_available()
    with_sft = settings.sft_weight > 0
    arguments = DPOConfig(
        output_dir=str(out / "checkpoints"),
        use_cpu=not on_gpu,
        bf16=multiplies_bfloat16(dtype),
        max_steps=1,  # set below, when the number of processes is known
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        beta=settings.beta,
        loss_type=["sigmoid", "sft"] if with_sft else ["sigmoid"],
        loss_weights=[1.0, settings.sft_weight] if with_sft else None,
        max_length=settings.max_length,
        gradient_checkpointing=settings.gradient_checkpointing,
        save_strategy="no",  # the callback saves with every point of the curves
        report_to=[],
        seed=settings.seed,
        disable_tqdm=not progress,
        dataloader_pin_memory=on_gpu,
    )
    per_step = settings.batch_size * settings.gradient_accumulation * arguments.world_size
    steps = max(1, round(settings.epochs * len(pairs) / per_step))
    every = evaluate_every(steps, settings.evaluations)
    arguments.max_steps = steps
    arguments.warmup_steps = round(settings.warmup_share * steps)
    arguments.logging_steps = max(1, every // 4)
    with arguments.main_process_first(local=False):
        work = work_folder(out, inputs)

    torch.manual_seed(settings.seed)
    tokenizer = load_tokenizer(base, revision=revision, few_shot=few)
    model = load_network(base, revision=revision, dtype=dtype, placed=False)
    tuned: Any = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    callback = CurveCallback(
        tokenizer, sets, known_by_id(labels), every, out, one_line=few is not None
    )
    trainer = DPOTrainer(
        model=tuned,
        args=arguments,
        train_dataset=Dataset.from_list([_conversation(pair) for pair in pairs]),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    show_tuned_head(tuned)
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
                "pairs": len(pairs),
                "steps": steps,
            },
        )
    trainer.accelerator.wait_for_everyone()
    return out


def _conversation(pair: PreferencePair) -> dict[str, Any]:
    from training.engine.local import TEMPLATE_OPTIONS

    return {
        "prompt": [{"role": "user", "content": pair.prompt}],
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
        "chat_template_kwargs": TEMPLATE_OPTIONS,
    }
