"""What must and must not change when a whole evaluation is changed in a known way."""

from __future__ import annotations

import random

import numpy as np
import pytest

from eval.report import report
from eval.result import EvaluationResult
from eval.settings import EvaluationSettings
from eval.table import table
from tests.eval.scripted import ScriptedAttempter, ScriptedModel, question
from tests.eval.small import QUESTIONS, right, run_small
from tests.eval.world import Library

SETTINGS = EvaluationSettings(latency_questions=0, resamples=30)
POINTS = ("precision", "coverage", "accuracy", "hallucination", "over_refusal", "ths", "honesty")


def points(result: EvaluationResult) -> dict[str, dict[str, float | None]]:
    arms = table(result)["arms"]
    return {name: {key: arm[key] for key in POINTS} for name, arm in arms.items()}


def test_shuffled_questions_give_the_same_report() -> None:
    rng = random.Random(4)
    shuffled = rng.sample(QUESTIONS, len(QUESTIONS))
    first, second = (
        report(run_small(questions=asked, settings=SETTINGS)) for asked in (QUESTIONS, shuffled)
    )
    for part in ("n", "known", "unknown", "curves", "reliability", "breakdown", "samples"):
        assert first[part] == second[part], part
    for name, arm in first["arms"].items():
        for key in POINTS:
            assert second["arms"][name][key] == pytest.approx(arm[key]), (name, key)
    for one, other in zip(first["differences"], second["differences"], strict=True):
        assert one["correct"] == other["correct"]


def test_questions_that_everybody_refuses_raise_nothing() -> None:
    more = [question(100 + i) for i in range(20)]
    script = {
        q.text: (right(q) if i < 16 else "错了", 0.9 if i < 20 else 0.1, i >= 20)
        for i, q in enumerate([*QUESTIONS, *more])
    }
    base = ScriptedModel({q.text: right(q) for q in QUESTIONS[:16]}, default="我不知道。")

    def run(asked: list) -> dict[str, dict[str, float | None]]:
        return points(
            run_small(
                questions=asked,
                attempter=ScriptedAttempter(script),
                base_model=base,
                chain=Library(QUESTIONS[10:30]),
                settings=SETTINGS,
            )
        )

    before, after = run(QUESTIONS), run([*QUESTIONS, *more])
    for name, arm in before.items():
        for key in ("coverage", "accuracy", "hallucination"):
            assert after[name][key] <= arm[key], (name, key)
            assert after[name][key] == pytest.approx(arm[key] * 40 / 60), (name, key)
        assert after[name]["precision"] == arm["precision"]


def test_a_perfect_system() -> None:
    """It answers what it knows and finds the rest."""
    known = {q.text for q in QUESTIONS[:16]}
    found = points(
        run_small(
            attempter=ScriptedAttempter(
                {q.text: (right(q), float(q.text in known), q.text not in known) for q in QUESTIONS}
            ),
            chain=Library(QUESTIONS),
            settings=SETTINGS,
        )
    )
    assert found["refusal_phrase"]["precision"] == found["calibrated"]["precision"] == 1
    assert found["calibrated"]["coverage"] == 0.4
    assert found["calibrated"]["honesty"] == 1
    assert found["calibrated_fallback"] == {
        "precision": 1, "coverage": 1, "accuracy": 1, "hallucination": 0, "over_refusal": 0,
        "ths": 1, "honesty": None,  # nothing is left to be prudent about
    }  # fmt: skip


def test_a_system_that_always_refuses() -> None:
    silent = ScriptedAttempter({q.text: ("错了", 0.0, True) for q in QUESTIONS})
    found = points(run_small(attempter=silent, chain=Library([]), settings=SETTINGS))
    for name in ("refusal_phrase", "calibrated", "calibrated_fallback", "always_retrieve"):
        assert found[name] == {
            "precision": None, "coverage": 0, "accuracy": 0, "hallucination": 0, "over_refusal": 1,
            "ths": 0, "honesty": 0.5,
        }  # fmt: skip


def test_a_system_that_refuses_at_random() -> None:
    """It keeps the precision of the base, has half of its coverage, and no THS; its confidence ranks
    nothing."""
    rng = np.random.default_rng(8)
    asked = [question(i, gold=f"{i}城") for i in range(1000)]
    known = {q.id: bool(k) for q, k in zip(asked, rng.random(1000) < 0.4, strict=True)}
    chance = dict(zip((q.id for q in asked), rng.random(1000), strict=True))
    script = {
        q.text: (right(q) if known[q.id] else "错了", chance[q.id], chance[q.id] < 0.5)
        for q in asked
    }
    result = run_small(
        questions=asked,
        attempter=ScriptedAttempter(script),
        base_model=ScriptedModel({}, default="错了"),
        labels=known,
        chain=None,
        settings=SETTINGS.model_copy(update={"arms": ("refusal_phrase", "calibrated")}),
    )
    found = table(result)
    for name in ("refusal_phrase", "calibrated"):
        arm = found["arms"][name]
        assert arm["precision"] == pytest.approx(0.4, abs=0.06)
        assert arm["coverage"] == pytest.approx(0.5, abs=0.05)
        assert arm["honesty"] == pytest.approx(0.5, abs=0.05)
    low, high = found["confidence"]["auroc_interval"]
    assert low < 0.5 < high
    assert found["confidence"]["prr"] == pytest.approx(0, abs=0.1)
