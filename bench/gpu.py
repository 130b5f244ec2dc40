"""How well a GPU is used: tuning and probing a model of the size of Qwen2.5-1.5B with random weights.

    python bench/gpu.py --json [--batch 256] [--steps 12] [--peak 989e12]

Random weights cost what trained ones cost, and need no download. Tuning: LoRA by the project's trainer on the
embedded graph's questions; tokens are counted without padding, and a token costs 4 × parameters operations
(2 forwards, 2 for the activations' gradients; the frozen weights' own are never formed), so that the share of
the chip's ``--peak`` (dense bf16; the default is an H100 SXM's) is a lower bound. Probing: the project's
greedy decoding with log-probabilities and refusal signals, new tokens a second.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from datasets import Dataset
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, TrainerCallback
from trl import SFTConfig

from kg_builder.build import BuildSettings, built_questions
from training.bundle import resolve_base
from training.engine.local import LocalModel
from training.generation import Sampling
from training.language_pack import language_pack
from training.mix import TuningExample
from training.probe import ask
from training.sft import CompletionSFTTrainer, conversation, lora
from training.sft_settings import SFTSettings
from training.tuning import quiet

WARM_UP = 3  # steps that are not timed


def random_model(folder: Path, layers: int) -> float:
    """Write a model of Qwen2.5-1.5B's shape with the embedded tokenizer; return its parameters."""
    tokenizer = AutoTokenizer.from_pretrained(resolve_base("embedded"))
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=151_936,
                hidden_size=1536,
                intermediate_size=8960,
                num_hidden_layers=layers,
                num_attention_heads=12,
                num_key_value_heads=2,
                tie_word_embeddings=True,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        ).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return float(sum(p.numel() for p in model.parameters()))


class Clock(TrainerCallback):
    """The seconds from the end of the warm-up to the end of the last step."""

    def __init__(self) -> None:
        self.begun = self.ended = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ended = time.perf_counter()
        if state.global_step == WARM_UP:
            self.begun = self.ended


def tuning(folder: Path, parameters: float, batch: int, steps: int, peak: float) -> dict[str, Any]:
    questions = built_questions(BuildSettings())
    pack = language_pack("zh")
    rows = [questions[i % len(questions)] for i in range(batch * steps)]
    examples = [
        TuningExample(
            question_id=q.id,
            known=False,
            prompt=str(ask(q)[0]["content"]),
            completion=pack.refusal(q.topic),
        )
        for q in rows
    ]
    model = LocalModel.load(folder, dtype="bfloat16").model
    settings = SFTSettings(rank=16, alpha=32)
    clock = Clock()
    with tempfile.TemporaryDirectory() as work:
        trainer = CompletionSFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=work,
                use_cpu=not torch.cuda.is_available(),
                bf16=torch.cuda.is_available(),
                max_steps=steps,
                per_device_train_batch_size=batch,
                completion_only_loss=True,
                gradient_checkpointing=False,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list([conversation(e) for e in examples]),
            processing_class=AutoTokenizer.from_pretrained(folder),
            callbacks=[clock],
            peft_config=lora(settings),
        )
        quiet(trainer)
        trainer.train()
    lengths = [len(row) for row in trainer.train_dataset["input_ids"]]
    tokens = sum(lengths) * (steps - WARM_UP) / steps
    rate = tokens / (clock.ended - clock.begun)
    return {
        "batch": batch,
        "steps": steps - WARM_UP,
        "tokens_per_second": round(rate),
        "share_of_peak": round(4 * parameters * rate / peak, 4),
        "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1)
        if torch.cuda.is_available()
        else None,
    }


def probing(folder: Path, count: int, new_tokens: int, tokens_per_batch: int) -> dict[str, Any]:
    questions = built_questions(BuildSettings())[:count]
    local = LocalModel.load(
        folder,
        dtype="bfloat16",
        refusal_prefix=language_pack("zh").refusal_prefix,
        tokens_per_batch=tokens_per_batch,
    )
    asked = [ask(q) for q in questions]
    local.generate(asked[: len(asked) // 4], Sampling(max_new_tokens=2))
    begun = time.perf_counter()
    found = local.generate(asked, Sampling(max_new_tokens=new_tokens))
    taken = time.perf_counter() - begun
    made = sum(g.completion_tokens for g in found)
    return {
        "questions": len(asked),
        "new_tokens_per_second": round(made / taken),
        "questions_per_second": round(len(asked) / taken, 1),
        "tokens_per_answer": round(made / len(asked), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=256, help="examples of one tuning step")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--layers", type=int, default=28, help="fewer for a try on a CPU")
    parser.add_argument("--questions", type=int, default=1024, help="to be probed")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--tokens-per-batch", type=int, default=131_072)
    parser.add_argument("--peak", type=float, default=989e12, help="operations a second")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        parameters = random_model(folder, chosen.layers)
        result = {
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "torch": torch.__version__,
            "parameters": parameters,
            "probing": probing(
                folder, chosen.questions, chosen.max_new_tokens, chosen.tokens_per_batch
            ),
            "tuning": tuning(folder, parameters, chosen.batch, chosen.steps, chosen.peak),
        }
    if chosen.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
        return
    for part in ("probing", "tuning"):
        print(part + ": " + ", ".join(f"{k} {v}" for k, v in result[part].items()))


if __name__ == "__main__":
    main()
