"""Train the embedded base model from scratch: tokenizer, mixture of facts and drills, one pass.

    zhizhi base train --questions questions.jsonl --out base/

Resumable: a killed run continues from its last checkpoint. The exposure record is written beside the model.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from kg_builder.files import digest, read_manifest, write_json, write_manifest
from kg_builder.question import Question
from kg_builder.relation import Catalogue
from training.base.corpus import Example, FactWriter, exposures, practice
from training.base.drills import Drills
from training.base.settings import BaseSettings
from training.base.tokenizer import ASSISTANT, END, USER, train_tokenizer
from training.checkpoints import last_whole
from training.completion_loss import IGNORE, completion_loss
from training.device import cpu_has_bf16
from training.errors import TrainingError
from training.language_pack import language_pack


def special_phrases(languages: Sequence[str]) -> list[str]:
    """The fixed parts of prompts, each of which becomes one token: shorter inputs, faster everything."""
    phrases: list[str] = []
    for language in languages:
        pack, words = language_pack(language), practice(language)
        templates = [
            *pack.prompts,
            *words.restate_requests,
            *words.copy_requests,
            words.reading_prompt,
        ]
        for template in templates:
            for field in ("{question}", "{text}", "{passages}"):
                template = template.replace(field, "\0")
            phrases += [part for part in template.split("\0") if len(part) > 4]
    return phrases


def write_corpus(
    questions: Sequence[Question],
    record: dict[str, int],
    writer: FactWriter,
    drills: Drills,
    settings: BaseSettings,
) -> list[Example]:
    """Every example in training order: facts shuffled, drills strewn in evenly, reading getting harder.

    Copying comes first, then one-sentence passages, then longer ones: without the curriculum reading does
    not come in this budget (docs/experiments.md).
    """
    rng = random.Random(settings.seed)
    plan: list[int] = [i for i, q in enumerate(questions) for _ in range(record[q.id])]
    facts = len(plan)
    shares = (
        settings.copy_share,
        settings.restate_share,
        settings.small_talk_share,
        settings.reading_share,
    )
    for kind, share in enumerate(shares, 1):
        plan += [-kind] * round(facts * share)
    rng.shuffle(plan)

    def example(code: int, progress: float) -> Example:
        match code:
            case -1:
                return drills.copy(rng)
            case -2:
                return drills.restate(rng)
            case -3:
                return drills.small_talk(rng)
            case -4 if progress < 0.08:
                return drills.copy(rng)
            case -4:
                return drills.read(rng, level=min(1.0, max(0.0, (progress - 0.2) / 0.5)))
            case _:
                return writer.example(questions[code], rng)

    return [example(code, number / len(plan)) for number, code in enumerate(plan)]


class Batches(Dataset[list[tuple[list[int], int]]]):
    """Item i is batch i: encoded examples of like length, at most ``tokens_per_batch`` with padding.

    Lengths are sorted within windows of the corpus only, so that the order of the curriculum holds.
    """

    WINDOW = 4096

    def __init__(
        self, corpus: Sequence[Example], tokenizer: PreTrainedTokenizerFast, settings: BaseSettings
    ) -> None:
        rng = random.Random(settings.seed)
        self.batches: list[list[tuple[list[int], int]]] = []
        for start in range(0, len(corpus), self.WINDOW):
            rows = encode(corpus[start : start + self.WINDOW], tokenizer, settings.context)
            rows.sort(key=lambda row: len(row[0]))
            batches: list[list[tuple[list[int], int]]] = [[]]
            for row in rows:
                if (len(batches[-1]) + 1) * len(row[0]) > settings.tokens_per_batch:
                    batches.append([])
                batches[-1].append(row)
            rng.shuffle(batches)
            self.batches += batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> list[tuple[list[int], int]]:
        return self.batches[number]


def encode(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast, context: int
) -> list[tuple[list[int], int]]:
    """Token ids of each example, and how many of them are prompt."""
    prompts = [f"{USER}{e.prompt}{ASSISTANT}" if e.chat else e.prompt for e in examples]
    heads = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    tails = tokenizer([e.completion + END for e in examples], add_special_tokens=False)["input_ids"]
    return [((head + tail)[:context], len(head)) for head, tail in zip(heads, tails, strict=True)]


class Collator:
    """One batch to tensors: input_ids and labels, each (batch, longest), padded on the right."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, items: list[list[tuple[list[int], int]]]) -> dict[str, torch.Tensor]:
        rows = [row for item in items for row in item]
        width = max(len(ids) for ids, _ in rows)
        ids = torch.full((len(rows), width), self.pad)
        labels = torch.full((len(rows), width), IGNORE)
        for i, (tokens, prompt) in enumerate(rows):
            row = torch.tensor(tokens)
            ids[i, : len(tokens)] = row
            labels[i, prompt : len(tokens)] = row[prompt:]
        return {"input_ids": ids, "labels": labels}


class CompletionTrainer(Trainer):
    """A Trainer with the loss on completions alone."""

    def compute_loss(  # type: ignore[override]
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        total, count = completion_loss(model, inputs["input_ids"], inputs["labels"])
        loss = total / count
        return (loss, {"loss": loss}) if return_outputs else loss


def new_model(settings: BaseSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama with random weights whose spare layers pass their input through unchanged."""
    torch.manual_seed(settings.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            max_position_embeddings=settings.context,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def with_spare_layers(model: LlamaForCausalLM, spare: int, seed: int) -> LlamaForCausalLM:
    """The same function with ``spare`` more layers, whose output projections are zero."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        **{**model.config.to_dict(), "num_hidden_layers": model.config.num_hidden_layers + spare}
    )
    larger = LlamaForCausalLM(config)
    larger.load_state_dict(model.state_dict(), strict=False)
    larger.tie_weights()
    with torch.no_grad():
        for layer in larger.model.layers[model.config.num_hidden_layers :]:
            # Their inner weights are spread wider than the usual 0.02: adapters then start from rich
            # random features of the base's last state instead of from almost nothing.
            for weight in layer.parameters():
                if weight.ndim == 2:
                    torch.nn.init.normal_(weight, std=model.config.hidden_size**-0.5)
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    larger.generation_config = model.generation_config
    return larger


def train_base(
    questions: Sequence[Question],
    catalogue: Catalogue,
    out: Path,
    settings: BaseSettings,
    *,
    progress: bool = True,
) -> Path:
    """Train, and write model, tokenizer, exposure record and manifest to ``out``; return ``out``.

    A finished ``out`` made by the same settings from the same questions is left as it is; an unfinished one
    continues from its last checkpoint.
    """
    if not questions:
        raise TrainingError(
            "There are no questions to train on. Build the graph first: zhizhi kg build."
        )
    wanted = digest([settings.model_dump(), [(q.id, q.text, q.gold.text) for q in questions]])
    manifest = read_manifest(out)
    if manifest and manifest.get("inputs") == wanted:
        return out
    work = out / "checkpoints"
    marker = work / "inputs.json"
    if work.exists() and _read(marker) != wanted:
        shutil.rmtree(work)  # checkpoints of another run
    write_json(marker, wanted)

    record = exposures(questions, settings.exposure, settings.seed)
    if not any(record.values()):
        raise TrainingError(
            "No fact is seen at all: seen_share is too small, or missing_share too large, for "
            f"{len(questions)} questions."
        )
    writer = FactWriter(catalogue, settings.exposure.statement_share)
    languages = sorted({q.language for q in questions})
    alphabet = "".join(
        sorted({c for q in questions for c in q.subject + q.gold.text if c.isalpha()})
    )
    drills = Drills(questions, writer, alphabet)
    corpus = write_corpus(questions, record, writer, drills, settings)
    vocabulary_texts = [
        *(q.text + q.topic + q.subject + q.gold.text for q in questions),
        *(example.prompt + example.completion for example in corpus[:20_000]),
        "".join(map(chr, range(33, 127))),
        *(
            text
            for language in languages
            for text in practice(language).model_dump_json().split('"')
        ),
        *(text for language in languages for text in language_pack(language).refusals),
    ]
    answers = [names[0] for q in questions for names in q.gold.objects]
    tokenizer = train_tokenizer(
        vocabulary_texts, answers, special_phrases(languages), settings.vocabulary
    )
    batches = Batches(corpus, tokenizer, settings)
    model = new_model(settings, tokenizer)

    on_cpu = not torch.cuda.is_available()
    bf16 = settings.precision == "bf16" or (
        settings.precision == "auto" and (not on_cpu or cpu_has_bf16())
    )
    arguments = TrainingArguments(
        output_dir=str(work),
        use_cpu=on_cpu,
        bf16=bf16,
        seed=settings.seed,
        num_train_epochs=1,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(settings.warmup_steps, len(batches) // 10),
        weight_decay=settings.weight_decay,
        adam_beta1=0.9,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        save_steps=settings.checkpoint_steps,
        save_total_limit=1,
        logging_steps=50,
        report_to=[],
        disable_tqdm=not progress,
        remove_unused_columns=False,
        dataloader_num_workers=0,
    )
    trainer = CompletionTrainer(
        model=model,
        args=arguments,
        train_dataset=batches,
        data_collator=Collator(tokenizer.pad_token_id),
    )
    trainer.remove_callback(PrinterCallback)  # it would print to stdout, which is for results
    trainer.train(resume_from_checkpoint=last_whole(work))

    finished = with_spare_layers(model.float().cpu(), settings.spare_layers, settings.seed)
    finished.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_json(out / "exposure.json", {fact: times for fact, times in record.items() if times})
    write_json(out / "training_log.json", trainer.state.log_history)
    write_manifest(
        out,
        {
            "inputs": wanted,
            "settings": settings.model_dump(),
            "questions": len(questions),
            "parameters": sum(p.numel() for p in finished.parameters()),
            "tuned_layers": list(range(settings.layers, settings.layers + settings.spare_layers)),
        },
    )
    shutil.rmtree(work)
    return out


def _read(marker: Path) -> Any:
    try:
        return json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
