from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from eval.compare import compare, render_comparison
from eval.errors import EvalError
from eval.result import EvaluationResult
from tests.eval.scripted import ScriptedAttempter, question
from tests.eval.small import QUESTIONS, run_small, script


def test_a_run_does_not_differ_from_itself(small: EvaluationResult) -> None:
    found = compare(small, small)
    assert (found["n"], found["only_first"], found["only_second"]) == (40, 0, 0)
    for arm in found["arms"].values():
        assert arm["difference"]["accuracy"] == 0
        assert not arm["difference"]["accuracy_significant"]
        assert arm["correct"] == {"gained": 0, "lost": 0, "p_value": 1.0}
        assert arm["changed"] == []


def test_a_better_model_is_found_better(small: EvaluationResult) -> None:
    """The second knows what the first refused."""
    better = {
        text: (QUESTIONS[i].gold.text, 0.9, False) if i < 30 else said
        for i, (text, said) in enumerate(script().items())
    }
    found = compare(small, run_small(attempter=ScriptedAttempter(better), chain=None))
    assert list(found["arms"]) == ["base", "prompt_only", "refusal_phrase", "calibrated"]
    arm = found["arms"]["calibrated"]
    assert arm["correct"]["gained"] == 18  # 12 before, 30 now
    assert arm["correct"]["p_value"] == pytest.approx(2 * 0.5**18)
    assert arm["difference"]["accuracy"] == pytest.approx(18 / 40)
    assert arm["difference"]["accuracy_significant"]
    assert len(arm["changed"]) == 10
    assert not found["arms"]["base"]["difference"]["accuracy_significant"]


def test_only_what_both_asked_is_compared(small: EvaluationResult) -> None:
    other = [*QUESTIONS[:10], question(11, gold="另一个答案"), question(99)]
    second = run_small(
        questions=other,
        attempter=ScriptedAttempter({q.text: ("甲", 0.9, False) for q in other}),
    )
    found = compare(small, second)
    assert (found["n"], found["only_first"], found["only_second"]) == (10, 30, 2)
    with pytest.raises(EvalError, match="share no question"):
        compare(small, run_small(questions=[question(99)], attempter=ScriptedAttempter(
            {question(99).text: ("甲", 0.9, False)}
        )))  # fmt: skip


def test_it_can_be_shown(small: EvaluationResult, tmp_path: Path) -> None:
    console = Console(width=220, record=True, file=(tmp_path / "o").open("w"))
    render_comparison(compare(small, small), console)
    assert "85.7 → 85.7" in console.export_text()  # 12 of 14
