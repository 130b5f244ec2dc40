"""How fast a model is probed: one question at a time, by transformers' pipeline in batches of 32, and by us.

    python bench/probe.py --json [--model FOLDER] [--questions 400] [--repeats 3]

All three answer the same questions greedily on the same weights, the first two as transformers loads them;
ours also gives the log-probabilities, entropies, margins and the probability of the refusal, the others give
text alone. The last line says whether all answers are identical. Times are the least of the repeats, the
three taken in turn.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import transformers
from transformers import AutoModelForCausalLM, pipeline

from kg_builder.files import read_jsonl
from kg_builder.question import Question
from training.bundle import resolve_base
from training.engine.local import LocalModel
from training.generation import Message, Sampling
from training.language_pack import language_pack
from training.probe import ask

BATCH = 32
WARM_UP = 8


@dataclass
class Contestants:
    """The same weights, as transformers runs them and as we do."""

    local: LocalModel
    plain: Any

    @classmethod
    def load(cls, model: Path | str, name: str, prefix: str) -> Contestants:
        local = LocalModel.load(model, name=name, refusal_prefix=prefix)
        plain = AutoModelForCausalLM.from_pretrained(model).to(local.model.device).eval()
        return cls(local, plain)


def one_at_a_time(models: Contestants, asked: list[list[Message]], new_tokens: int) -> list[str]:
    """``generate`` as its documentation shows it, a question at a time."""
    tokenizer = models.local.tokenizer
    answers = []
    for conversation in asked:
        inputs = tokenizer.apply_chat_template(
            conversation, add_generation_prompt=True, return_tensors="pt", return_dict=True
        ).to(models.plain.device)
        with torch.inference_mode():
            out = models.plain.generate(**inputs, max_new_tokens=new_tokens, do_sample=False)
        told = out[0, inputs["input_ids"].shape[1] :]
        answers.append(str(tokenizer.decode(told, skip_special_tokens=True)).strip())
    return answers


def by_pipeline(models: Contestants, asked: list[list[Message]], new_tokens: int) -> list[str]:
    """transformers' pipeline in batches of 32."""
    pipe = pipeline(
        "text-generation", model=models.plain, tokenizer=models.local.tokenizer, batch_size=BATCH
    )
    pipe.tokenizer.padding_side = "left"
    found = pipe(asked, max_new_tokens=new_tokens, do_sample=False, return_full_text=False)
    return [str(one[0]["generated_text"]).strip() for one in found]


def ours(models: Contestants, asked: list[list[Message]], new_tokens: int) -> list[str]:
    return [g.text for g in models.local.generate(asked, Sampling(max_new_tokens=new_tokens))]


METHODS: dict[str, Callable[[Contestants, list[list[Message]], int], list[str]]] = {
    "one at a time": one_at_a_time,
    f"pipeline({BATCH})": by_pipeline,
    "ours": ours,
}


def read_questions(path: Path | None, count: int) -> list[Question]:
    """The first ``count`` of a file, or of the embedded graph's test questions."""
    if path is not None:
        found = [Question.model_validate(record) for record in read_jsonl(path)]
    else:
        from kg_builder.build import BuildSettings, built_questions

        found = [q for q in built_questions(BuildSettings()) if q.split == "test"]
    return found[:count]


def measure(
    models: Contestants, questions: list[Question], new_tokens: int, repeats: int
) -> dict[str, Any]:
    asked = [ask(q) for q in questions]
    seconds: dict[str, float] = {}
    answers: dict[str, list[str]] = {}
    for method in METHODS.values():
        method(models, asked[:WARM_UP], new_tokens)
    for _ in range(repeats):
        for name, method in METHODS.items():
            begun = time.perf_counter()
            answers[name] = method(models, asked, new_tokens)
            taken = time.perf_counter() - begun
            seconds[name] = min(taken, seconds.get(name, taken))
    names = list(METHODS)
    differing = [i for i in range(len(asked)) if len({answers[name][i] for name in names}) > 1]
    return {
        "model": models.local.name,
        "questions": len(asked),
        "max_new_tokens": new_tokens,
        "device": str(models.local.model.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": platform.machine(),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "questions_per_second": {
            name: round(len(asked) / value, 1) for name, value in seconds.items()
        },
        "times_one_at_a_time": round(seconds[names[0]] / seconds["ours"], 2),
        "times_pipeline": round(seconds[names[1]] / seconds["ours"], 2),
        "differing_answers": len(differing),
        "identical": not differing,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="embedded", help="a folder, or embedded")
    parser.add_argument("--file", type=Path, help="questions.jsonl; default: the embedded graph")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--max-new-tokens", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    questions = read_questions(chosen.file, chosen.questions)
    prefix = language_pack(questions[0].language).refusal_prefix
    models = Contestants.load(resolve_base(chosen.model), chosen.model, prefix)
    result = measure(models, questions, chosen.max_new_tokens, chosen.repeats)
    if chosen.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
        return
    for name, value in result["seconds"].items():
        print(f"{name:<16}{value:>9.2f} s{result['questions_per_second'][name]:>10.1f} questions/s")
    print(
        f"ours is {result['times_one_at_a_time']:g}× one at a time and "
        f"{result['times_pipeline']:g}× the pipeline; "
        + (
            "all answers identical"
            if result["identical"]
            else f"{result['differing_answers']} differ"
        )
    )


if __name__ == "__main__":
    main()
