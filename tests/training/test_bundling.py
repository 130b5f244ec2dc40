"""Calibrating the miniature and bundling it, from labels to a bundle that answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from kg_builder.question import Question
from tests.training.test_sft import SETTINGS, inputs
from training.bundle import Bundle
from training.bundling import make_bundle
from training.calibrate import CalibrationSettings
from training.calibrated import CalibratedModel
from training.engine.local import LocalModel
from training.errors import TrainingError
from training.generation import Sampling
from training.probe import ask
from training.sft import tune

CALIBRATION = CalibrationSettings(targets=(0.5, 0.9), delta=0.2)


@pytest.fixture(scope="module")
def run(
    miniature: Path, questions: list[Question], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """base, adapter and bundle in one folder, as a run leaves them."""
    out = tmp_path_factory.mktemp("run")
    shutil.copytree(miniature, out / "base")
    short = SETTINGS.model_copy(update={"epochs": 4, "evaluations": 1})
    tune(out / "base", *inputs(out / "base", questions), out / "sft", short, progress=False)
    make_bundle(
        str(out / "base"),
        out / "sft" / "adapter",
        questions,
        out / "bundle",
        CALIBRATION,
        name="small",
        max_new_tokens=12,
        provenance={"seed": 3},
    )
    return out


def test_the_bundle_answers(run: Path, questions: list[Question]) -> None:
    bundle = Bundle.load(run / "bundle")
    model = CalibratedModel.load(bundle)
    assert model.name == bundle.name
    attempts = model.attempt([q.text for q in questions])
    assert len(attempts) == len(questions)
    assert len({round(a.confidence, 6) for a in attempts}) > 3
    assert model.operating_point(profile="webqa").target_precision == 0.9


def test_its_figures_are_of_the_certifying_half(run: Path, questions: list[Question]) -> None:
    spec = Bundle.load(run / "bundle").spec
    figures = spec.figures
    assert figures["n_fitting"] + figures["n_certifying"] == len(questions)
    assert spec.calibration.n == figures["n_fitting"]
    assert len(spec.risk_coverage) <= figures["n_certifying"]
    assert set(figures["auroc_by_signal"]) == set(spec.calibration.names)
    assert spec.provenance["seed"] == 3
    assert spec.provenance["versions"]["torch"]


def test_a_run_can_be_moved(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "moved")
    bundle = Bundle.load(tmp_path / "moved" / "bundle")
    assert bundle.spec.base.id == "../base"
    assert bundle.base_path() == tmp_path / "moved" / "base"
    config = json.loads((bundle.folder / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "../base"


def test_a_base_elsewhere_is_named_in_full(
    run: Path, miniature: Path, questions: list[Question], tmp_path: Path
) -> None:
    bundle = make_bundle(
        str(miniature), run / "sft" / "adapter", questions, tmp_path / "b", CALIBRATION, name="b"
    )
    assert bundle.spec.base.id == str(miniature.resolve())


def test_a_model_that_knows_nothing_cannot_be_calibrated(
    run: Path, miniature: Path, questions: list[Question], tmp_path: Path
) -> None:
    wrong = [
        q.model_copy(update={"gold": q.gold.model_copy(update={"objects": (("无此答案",),)})})
        for q in questions
    ]
    with pytest.raises(TrainingError, match="are wrong"):
        make_bundle(
            str(miniature), run / "sft" / "adapter", wrong, tmp_path / "b", CALIBRATION, name="b"
        )
    assert not (tmp_path / "b").exists()


def test_too_few_questions_to_part(
    run: Path, miniature: Path, questions: list[Question], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="1 calibration questions are too few"):
        make_bundle(
            str(miniature),
            run / "sft" / "adapter",
            questions[:1],
            tmp_path / "b",
            CALIBRATION,
            name="b",
        )


def test_a_model_tuned_in_full(
    miniature: Path, local: LocalModel, questions: list[Question], tmp_path: Path
) -> None:
    AutoModelForCausalLM.from_pretrained(miniature).save_pretrained(tmp_path / "full")
    bundle = make_bundle(
        str(miniature), tmp_path / "full", questions, tmp_path / "b", CALIBRATION, name="b"
    )
    found = CalibratedModel.load(bundle).attempt([questions[0].text])[0]
    assert found.text == local.generate([ask(questions[0])], Sampling(max_new_tokens=40))[0].text
