from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kg_builder.files import read_jsonl, read_manifest, sha256_file
from kg_builder.question import Question
from tests.training.test_mix import world
from tests.training.test_sft import SETTINGS, inputs
from training.engine.local import LocalModel
from training.errors import TrainingError
from training.generation import Generation, Sampling
from training.language_pack import is_refusal
from training.mix import MixSettings, mix
from training.preference import PreferenceSettings, prefer, preference_pairs
from training.probe import Probe, ask
from training.sft import tune


def test_known_questions_prefer_their_answer_unknown_ones_the_refusal() -> None:
    questions, labels = world({"父亲": 8}, {"父亲": 8})
    examples = mix(questions, labels, MixSettings(per_class=None))
    pairs = preference_pairs(examples, questions, labels)
    assert len(pairs) == 16
    for pair, example in zip(pairs, examples, strict=True):
        assert (pair.prompt, pair.chosen) == (example.prompt, example.completion)
        assert is_refusal(pair.rejected) is pair.known
        assert is_refusal(pair.chosen) is not pair.known
        if not pair.known:
            assert pair.rejected == "胡说八道。"


def test_where_the_model_refused_a_wrong_sample_is_rejected() -> None:
    questions, labels = world({"父亲": 1}, {"父亲": 2})
    examples = mix(questions, labels, MixSettings(per_class=None, ratio=2.0))
    labels[1] = labels[1].model_copy(update={"verdict": "refused", "answer": "我不知道。"})
    labels[2] = labels[2].model_copy(update={"verdict": "refused", "answer": "我不知道。"})
    said = ("我不知道。", "", "答案0号", "某某")  # the third is right: it must not be rejected
    probes = [
        Probe(
            question_id=labels[1].question_id,
            greedy=Generation(text="我不知道。"),
            samples=tuple(Generation(text=text) for text in said),
        )
    ]
    pairs = {p.question_id: p for p in preference_pairs(examples, questions, labels, probes)}
    assert pairs[labels[1].question_id].rejected == "某某"
    assert labels[2].question_id not in pairs  # nothing wrong was ever said


def test_nothing_to_prefer() -> None:
    questions, labels = world({"父亲": 1}, {"父亲": 1})
    examples = [e for e in mix(questions, labels, MixSettings()) if not e.known]
    labels[1] = labels[1].model_copy(update={"verdict": "refused"})
    with pytest.raises(TrainingError, match=r"None of the 1 examples .*probe.samples"):
        preference_pairs(examples, questions, labels)


@pytest.mark.slow
@pytest.mark.parametrize("refusal_token", [False, True])
def test_dpo_on_the_miniature(
    miniature: Path, questions: list[Question], tmp_path: Path, refusal_token: bool
) -> None:
    examples, sets, labels = inputs(miniature, questions)
    short = SETTINGS.model_copy(
        update={"epochs": 2, "evaluations": 1, "refusal_token": refusal_token}
    )
    adapter = (
        tune(miniature, examples, sets, labels, tmp_path / "sft", short, progress=False) / "adapter"
    )
    before = sha256_file(adapter / "adapter_model.safetensors")
    pairs = preference_pairs(examples, questions, labels)
    settings = PreferenceSettings(
        epochs=8, batch_size=8, learning_rate=5e-3, evaluations=2, max_length=128, sft_weight=0.1
    )

    def run() -> Path:
        return prefer(
            miniature, adapter, pairs, sets, labels, tmp_path / "dpo", settings, progress=False
        )

    out = run()
    assert sha256_file(adapter / "adapter_model.safetensors") == before
    rows = list(read_jsonl(out / "curves.jsonl"))
    assert {r["set"] for r in rows} == {*sets}
    assert read_manifest(out)["chosen_step"] > 0  # type: ignore[index]
    assert not (out / "adapter" / "ref").exists()
    if refusal_token:
        rows_before, rows_after = (tuned_rows(folder) for folder in (adapter, out / "adapter"))
        assert rows_before.shape == rows_after.shape
        assert not rows_before.equal(rows_after)
    log = [r["rewards/margins"] for r in read_log(out) if "rewards/margins" in r]
    assert log[-1] > log[0]

    sft = LocalModel.load(miniature, adapter=adapter, refusal_prefix="我不知道")
    dpo = LocalModel.load(miniature, adapter=out / "adapter", refusal_prefix="我不知道")
    known = {one.question_id: one.known for one in labels}
    train = [q for q in questions if q.split == "train" and known[q.id] is not None]

    def gap(model: LocalModel) -> float:
        """How much likelier a refusal is on unknown than on known questions, in nats."""
        chance: dict[bool, list[float]] = {True: [], False: []}
        found = model.generate([ask(q) for q in train], Sampling(max_new_tokens=8))
        for question, one in zip(train, found, strict=True):
            chance[bool(known[question.id])].append(math.log(one.refusal_probability or 1e-30))
        return sum(chance[False]) / len(chance[False]) - sum(chance[True]) / len(chance[True])

    assert gap(dpo) > gap(sft)
    written = (out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    run()
    assert (out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == written


def tuned_rows(adapter: Path) -> torch.Tensor:
    """The rows of the output projection in an adapter."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    (found,) = [tensor for name, tensor in tensors.items() if "trainable_tokens" in name]
    return found


def read_log(out: Path) -> list[dict]:
    import json

    return json.loads((out / "training_log.json").read_text())
