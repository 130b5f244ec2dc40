"""Tuning the miniature for real: seconds, on two dozen questions."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from kg_builder.files import read_jsonl, read_manifest, sha256_file
from kg_builder.question import Question
from tests.processes import running, wait_for
from training.curves import CurveRow
from training.engine.local import LocalModel
from training.errors import TrainingError
from training.generation import Generation, Sampling
from training.label import Label, LabelSettings, label
from training.language_pack import is_refusal
from training.mix import MixSettings, TuningExample, mix
from training.probe import ProbeSettings, ask, probe
from training.sft import best_step, step_count, tune
from training.sft_settings import SFTSettings

SETTINGS = SFTSettings(
    rank=8, alpha=16, epochs=200, learning_rate=1e-2, batch_size=8, evaluations=3, max_length=128
)


# A dozen questions teach the miniature nothing about others: it is judged by those that it was taught.
TAUGHT = "taught"


def labelled(base: Path, questions: list[Question]) -> list[Label]:
    model = LocalModel.load(base, name="base")
    ledger = base.parent / "probes.jsonl"
    found = probe(model, questions, ledger, ProbeSettings(max_new_tokens=12), progress=False)
    return [label(q, p, LabelSettings()) for q, p in zip(questions, found, strict=True)]


def inputs(base: Path, questions: list[Question]) -> tuple[list[TuningExample], dict, list[Label]]:
    labels = labelled(base, questions)
    train = [q for q in questions if q.split == "train"]
    examples = mix(train, labels, MixSettings(per_class=None, near_duplicate=None, wordings=2))
    sets = {name: [q for q in questions if q.split == name] for name in ("calibration", "test")}
    known = {e.question_id for e in examples}
    sets[TAUGHT] = [q for q in train if q.id in known]
    return examples, sets, labels


@pytest.fixture(scope="session")
def tuned(
    miniature: Path, questions: list[Question], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    before = sha256_file(miniature / "model.safetensors")
    out = tmp_path_factory.mktemp("sft") / "out"
    tune_whole(miniature, questions, out)
    assert sha256_file(miniature / "model.safetensors") == before
    return out


def tune_whole(base: Path, questions: list[Question], out: Path) -> None:
    tune(base, *inputs(base, questions), out, SETTINGS, choose_on=TAUGHT, progress=False)


def texts(model: LocalModel, questions: list[Question]) -> list[str]:
    found = model.generate([ask(q) for q in questions], Sampling(max_new_tokens=16))
    return [g.text for g in found]


def test_it_learns_to_refuse_what_it_did_not_know(
    miniature: Path, tuned: Path, questions: list[Question]
) -> None:
    examples, sets, _ = inputs(miniature, questions)
    known = {e.question_id: e.known for e in examples}
    assert {*known.values()} == {True, False}
    model = LocalModel.load(miniature, adapter=tuned / "adapter", refusal_prefix="我不知道")
    found = model.generate([ask(q) for q in sets[TAUGHT]], Sampling(max_new_tokens=16))

    def mean(of: bool, value: Callable[[Generation], float]) -> float:
        own = [value(g) for q, g in zip(sets[TAUGHT], found, strict=True) if known[q.id] is of]
        return sum(own) / len(own)

    def refused(generation: Generation) -> float:
        return float(is_refusal(generation.text))

    def chance(generation: Generation) -> float:
        return generation.refusal_probability or 0.0

    assert mean(False, refused) > mean(True, refused)
    assert mean(False, chance) > mean(True, chance)


def test_without_its_adapter_it_is_the_base(
    miniature: Path, tuned: Path, local: LocalModel, questions: list[Question]
) -> None:
    model = LocalModel.load(miniature, adapter=tuned / "adapter")
    assert model.base is not None
    assert texts(model.base, questions) == texts(local, questions)
    assert texts(model, questions) != texts(local, questions)
    asked = [ask(q) for q in questions[:3]]
    expected = local.probability(asked, ["岳"])
    for ours, theirs in zip(model.base.probability(asked, ["岳"]), expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert local.base is None


def test_the_curves_start_before_training_and_end_after_it(
    miniature: Path, tuned: Path, questions: list[Question]
) -> None:
    rows = [CurveRow.model_validate(r) for r in read_jsonl(tuned / "curves.jsonl")]
    manifest = read_manifest(tuned)
    assert manifest is not None
    steps = sorted({row.step for row in rows})
    assert steps[0] == 0
    assert steps[-1] == manifest["steps"]
    assert len(steps) in (4, 5)
    _, sets, labels = inputs(miniature, questions)
    judged = {one.question_id: one.verdict for one in labels}
    first = {row.set: row for row in rows if row.step == 0}
    assert {row.set for row in rows} == {*sets} == {*first}
    for name, asked in sets.items():  # before the first step it is the base
        verdicts = [judged[q.id] for q in asked]
        assert (first[name].n, first[name].correct) == (len(asked), verdicts.count("right"))
        assert first[name].refused == verdicts.count("refused")
    taught = [row for row in rows if row.set == TAUGHT]
    assert max(row.refused for row in taught) > first[TAUGHT].refused
    assert manifest["chosen_step"] == best_step(rows, TAUGHT, SETTINGS.wrong_costs)


def test_the_adapter_is_all_that_is_kept(tuned: Path) -> None:
    names = {path.name for path in (tuned / "adapter").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= names
    assert not {n for n in names if n.startswith(("optimizer", "rng", "trainer", "training"))}
    assert not (tuned / "checkpoints").exists()
    assert (tuned / "training_log.json").exists()


def test_a_finished_run_is_left_as_it_is_until_something_changes(
    miniature: Path, tuned: Path, questions: list[Question], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(tuned, out)
    weights = out / "adapter" / "adapter_model.safetensors"
    examples, sets, labels = inputs(miniature, questions)
    before = weights.stat().st_mtime_ns
    tune(miniature, examples, sets, labels, out, SETTINGS, progress=False)
    assert weights.stat().st_mtime_ns == before
    shorter = SETTINGS.model_copy(update={"epochs": 1, "evaluations": 1})
    tune(miniature, examples, sets, labels, out, shorter, progress=False)
    assert weights.stat().st_mtime_ns != before


def test_no_questions_to_choose_on(
    tmp_path: Path, miniature: Path, questions: list[Question]
) -> None:
    examples, sets, labels = inputs(miniature, questions)
    with pytest.raises(TrainingError, match=r"'calibration'.*Sets with questions: test"):
        tune(
            miniature,
            examples,
            {"test": sets["test"], "calibration": []},
            labels,
            tmp_path,
            SETTINGS,
        )


def test_full_tuning_gives_a_whole_model(
    tmp_path: Path, miniature: Path, questions: list[Question]
) -> None:
    full = SETTINGS.model_copy(
        update={"method": "full", "epochs": 2, "evaluations": 1, "learning_rate": 1e-3}
    )
    out = tune(miniature, *inputs(miniature, questions), tmp_path, full, progress=False)
    own = AutoModelForCausalLM.from_pretrained(out / "adapter").state_dict()
    base = AutoModelForCausalLM.from_pretrained(miniature).state_dict()
    assert own.keys() == base.keys()
    assert any(not torch.equal(own[k], base[k]) for k in own)
    model = LocalModel.load(miniature, adapter=out / "adapter")
    assert len(texts(model, questions[:2])) == 2


def test_only_the_named_layers_are_tuned(
    tmp_path: Path, miniature: Path, questions: list[Question]
) -> None:
    from safetensors import safe_open

    spare = SETTINGS.model_copy(
        update={"layers": [2], "epochs": 1, "evaluations": 1, "tensorboard": True}
    )
    out = tune(miniature, *inputs(miniature, questions), tmp_path, spare, progress=False)
    with safe_open(out / "adapter" / "adapter_model.safetensors", "pt") as weights:
        names = list(weights.keys())
    assert names
    assert all(".layers.2." in name for name in names)
    assert list((out / "tensorboard").glob("events*"))


def test_best_step_costs_wrong_answers_and_stops_early() -> None:
    def row(step: int, correct: int, wrong: int, name: str = "calibration") -> CurveRow:
        return CurveRow(
            set=name,
            step=step,
            n=20,
            answered=correct + wrong,
            refused=20 - correct - wrong,
            correct=correct,
            accuracy=None,
            accuracy_interval=(0, 1),
            over_refusal=None,
            known_kept=None,
            refusal_recall=None,
            gained=0,
            ths=None,
        )

    rows = [
        row(0, 20, 0),  # the base itself is no candidate
        row(1, 10, 8),
        row(2, 9, 2),
        row(3, 9, 2),
        row(2, 20, 0, "test"),  # nor is another set
        row(1, 20, 0, "test"),
    ]
    assert best_step(rows, "calibration", 1.0) == 2
    assert best_step(rows, "calibration", 0.0) == 1


def test_step_count() -> None:
    settings = SFTSettings(epochs=2, batch_size=8, gradient_accumulation=2)
    assert step_count(400, settings) == 50
    assert step_count(400, settings, processes=5) == 10
    assert step_count(1, settings) == 1


@pytest.mark.slow
def test_killed_and_resumed_it_chooses_the_same_step(
    tmp_path: Path, miniature: Path, tuned: Path, questions: list[Question]
) -> None:
    out = tmp_path / "out"
    with running(tune_whole, miniature, questions, out) as process:
        wait_for("checkpoints/checkpoint-*/trainer_state.json", out, process)
    assert process.exitcode == -signal.SIGKILL
    assert read_manifest(out) is None
    tune_whole(miniature, questions, out)
    assert (out / "curves.jsonl").read_text() == (tuned / "curves.jsonl").read_text()
    assert read_manifest(out)["chosen_step"] == read_manifest(tuned)["chosen_step"]  # type: ignore[index]
    for name in ("adapter_model.safetensors",):
        assert (out / "adapter" / name).read_bytes() == (tuned / "adapter" / name).read_bytes()
