"""The arms on systems with known behaviour: every number can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from eval.plot import draw_risk_coverage
from eval.result import EvaluationResult
from eval.run import known_of
from eval.settings import EvaluationSettings
from eval.table import render
from eval.table import table as table_of
from tests.eval.scripted import ScriptedAttempter, ScriptedModel
from tests.eval.small import QUESTIONS, right, run_small
from tests.eval.world import Library


@pytest.fixture(scope="module")
def table(small: EvaluationResult) -> dict[str, Any]:
    return table_of(small)


def test_the_table_is_what_was_asked_for(table) -> None:
    json.dumps(table, allow_nan=False)
    assert table["n"] == 40
    assert (table["known"], table["unknown"]) == (16, 24)
    assert list(table["arms"]) == [
        "base",
        "prompt_only",
        "refusal_phrase",
        "calibrated",
        "calibrated_fallback",
        "always_retrieve",
    ]
    figures = "precision coverage accuracy known_kept over_refusal ths hallucination"
    for arm in table["arms"].values():
        assert {"n", "answered", "correct", "retrieval_rate", "p50_ms", "p95_ms"} <= set(arm)
        for figure in figures.split():
            assert figure in arm
            assert f"{figure}_interval" in arm
    assert {"auroc", "aurc", "n", "signals", "auroc_interval"} <= set(table["confidence"])


@pytest.mark.parametrize(
    ("arm", "answered", "correct", "retrieved", "known_kept", "over_refusal"),
    [
        ("base", 40, 16, 0, 16, 0),
        ("prompt_only", 40, 16, 0, 16, 0),
        ("refusal_phrase", 16, 13, 0, 12, 4),
        ("calibrated", 14, 12, 0, 12, 4),
        # retrieved for 12–15 and 18–39: 26; found for 12–15 and 18–29: 16
        ("calibrated_fallback", 30, 28, 26, 16, 0),
        ("always_retrieve", 20, 20, 40, 6, 10),
    ],
)
def test_every_arm(
    table, arm: str, answered: int, correct: int, retrieved: int, known_kept: int, over_refusal: int
) -> None:
    figures = table["arms"][arm]
    assert (figures["answered"], figures["correct"]) == (answered, correct)
    assert figures["refused"] == 40 - answered
    assert figures["retrieval_rate"] == retrieved / 40
    assert figures["known_kept"] == known_kept / 16
    assert figures["over_refusal"] == over_refusal / 16
    assert figures["precision"] == pytest.approx(correct / answered)
    low, high = figures["precision_interval"]
    assert low <= figures["precision"] <= high
    assert figures["latency_n"] == 3
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]


def test_gained_and_lost(table) -> None:
    gained = table["gained"]
    assert (gained["base_wrong"], gained["gained"], gained["lost"]) == (24, 1, 4)
    assert [e["question"] for e in gained["examples"]] == [QUESTIONS[18].text]


def test_confidence_is_judged_on_the_answer_held_back(table) -> None:
    confidence = table["confidence"]
    assert confidence["n"] == 40
    # 17 right: 12 at .9, 5 at .4 (12–15 are refused and right all the same); wrong: 2 at .9, 1 at .4
    above = 12 * (23 - 2 + 0.5 * 2) + 5 * (20 + 0.5 * 1)
    assert confidence["auroc"] == pytest.approx(above / (17 * 23))
    assert confidence["signals"]["sequence_logprob"]["auroc"] == pytest.approx(confidence["auroc"])
    assert confidence["signals"]["mean_entropy"]["auroc"] == pytest.approx(confidence["auroc"])
    assert set(confidence["signals"]) >= {"refusal_phrase"}


def test_the_order_of_the_questions_changes_no_figure(table) -> None:
    again = table_of(run_small(questions=QUESTIONS[::-1]))
    for name, arm in table["arms"].items():
        for key, value in arm.items():
            timed = "_ms" in key
            resampled = key.endswith("_interval") and f"{key[:-9]}_n" not in arm
            if not timed and not resampled:
                assert again["arms"][name][key] == pytest.approx(value), (name, key)
    assert again["confidence"]["auroc"] == pytest.approx(table["confidence"]["auroc"])


def test_labels_decide_what_is_known() -> None:
    labels = {q.id: (True, False, None)[i % 3] for i, q in enumerate(QUESTIONS)}
    found = table_of(run_small(labels=labels))
    assert (found["known"], found["unknown"], found["set_aside"]) == (14, 13, 13)
    assert known_of(QUESTIONS[:2], labels, None) == [True, False]


def test_without_a_chain_there_is_no_fallback() -> None:
    table = table_of(run_small(chain=None))
    assert list(table["arms"]) == ["base", "prompt_only", "refusal_phrase", "calibrated"]


def test_a_chain_that_fails_is_no_refusal() -> None:
    table = table_of(run_small(chain=Library([], error=OSError("no network"))))
    fallback = table["arms"]["calibrated_fallback"]
    assert (fallback["answered"], fallback["unscored"], fallback["refused"]) == (14, 26, 0)
    assert fallback["coverage"] == 14 / 40
    assert table["arms"]["always_retrieve"]["precision"] is None


def test_nobody_is_asked_twice_but_for_the_latency() -> None:
    attempter = ScriptedAttempter({q.text: (right(q), 0.9, False) for q in QUESTIONS})
    library = Library(QUESTIONS)
    run_small(
        attempter=attempter,
        chain=library,
        settings=EvaluationSettings(latency_questions=0, resamples=20),
    )
    assert sorted(attempter.asked) == sorted(q.text for q in QUESTIONS)
    assert library.asked == 40  # always_retrieve alone; nothing was refused


def test_the_ablation(table) -> None:
    assert table["ablation"] is None
    fixed = ScriptedModel({q.text: right(q) for q in QUESTIONS[:4]}, default="我不知道。")
    found = table_of(run_small(ablation_model=fixed))["ablation"]
    assert found["fixed_form"]["known_kept"] == 0.25
    assert found["own_answers"]["known_kept"] == 0.75
    assert found["difference"]["over_refusal"] == pytest.approx(-0.5)


def test_the_table_can_be_shown(table, tmp_path: Path) -> None:
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w"))
    render(table, console)
    shown = console.export_text()
    assert "calibrated_fallback" in shown
    assert "93.3" in shown  # 28 of 30
    assert "AUROC" in shown


def test_the_picture_is_drawn(small: EvaluationResult, tmp_path: Path) -> None:
    result = small
    path = tmp_path / "risk_coverage.png"
    draw_risk_coverage(result, path, table_of(result))
    assert path.read_bytes().startswith(b"\x89PNG")
