"""A killed run goes on where it was; nothing is asked twice and nothing of another run is mixed in."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.errors import EvalError
from eval.ledger import Ledger
from eval.result import EvaluationResult
from eval.run import Timing, run_arms, shuffled
from eval.settings import EvaluationSettings
from tests.eval.scripted import ScriptedAttempter, ScriptedModel, question
from tests.eval.small import QUESTIONS, right, run_small, script
from tests.eval.world import Library


class Killed(BaseException):
    """What a signal would raise."""


class DyingModel(ScriptedModel):
    """Is killed when it is asked the ``last``-th batch."""

    def __init__(self, last: int) -> None:
        super().__init__({q.text: right(q) for q in QUESTIONS[:16]})
        self.left = last

    def generate(self, conversations, sampling):
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().generate(conversations, sampling)


def figures(result: EvaluationResult) -> object:
    return [(n, a.records) for n, a in result.arms.items()], result.attempts


def test_a_killed_run_is_continued(small: EvaluationResult, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_small(base_model=DyingModel(10), folder=tmp_path)
    written = list((tmp_path / "records").glob("*.jsonl"))
    assert written
    attempter, library = ScriptedAttempter(script()), Library(QUESTIONS[10:30])
    result = run_small(attempter=attempter, chain=library, folder=tmp_path)
    assert figures(result) == figures(small)
    assert len(attempter.asked) < len(QUESTIONS)
    again = ScriptedAttempter(script())
    result = run_small(attempter=again, base_model=DyingModel(0), folder=tmp_path)
    assert figures(result) == figures(small)
    assert again.asked == []


def test_other_questions_and_other_models_start_anew(tmp_path: Path) -> None:
    run_small(folder=tmp_path)
    attempter = ScriptedAttempter(script())
    run_small(folder=tmp_path, attempter=attempter, questions=QUESTIONS[:20])
    assert len(attempter.asked) >= 20
    other = ScriptedAttempter(script())
    other.name = "another@2"
    run_small(folder=tmp_path, attempter=other, questions=QUESTIONS[:20])
    assert len(other.asked) >= 20


def test_a_torn_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    ledger = Ledger(path, "run", Timing)
    ledger.append([Timing(question_id="a", ms=1), Timing(question_id="b", ms=2)])
    path.write_bytes(path.read_bytes()[:-3])
    again = Ledger(path, "run", Timing)
    assert [t.question_id for t in again.entries] == ["a"]
    again.append([Timing(question_id="c", ms=3)])
    assert [t.question_id for t in Ledger(path, "run", Timing).entries] == ["a", "c"]
    assert Ledger(path, "other run", Timing).entries == []


def test_a_budget_of_questions_takes_a_sample_that_does_not_hang_on_their_order() -> None:
    settings = EvaluationSettings(max_questions=10, latency_questions=0, resamples=20)
    result = run_small(settings=settings)
    assert len(result.questions) == 10
    assert result.left_out == 30
    assert result.questions == [q for q in QUESTIONS if q in result.questions]
    other = run_small(settings=settings, questions=QUESTIONS[::-1])
    assert {q.id for q in other.questions} == {q.id for q in result.questions}
    assert shuffled(QUESTIONS, 1) != shuffled(QUESTIONS, 2)


def test_a_budget_of_minutes_leaves_every_arm_with_the_same_questions() -> None:
    from eval.arms import Prompted

    minutes = iter([0, 30, 70, 999])
    arms = [
        Prompted(name, ScriptedModel({}), prompt=2, max_new_tokens=4) for name in ("base", "other")
    ]
    result = run_arms(
        arms,
        QUESTIONS,
        EvaluationSettings(max_minutes=1, chunk=8, latency_questions=0),
        progress=False,
        clock=lambda: next(minutes),
    )
    assert len(result.questions) == 16
    assert {len(arm.records) for arm in result.arms.values()} == {16}
    assert result.left_out == 24


@pytest.mark.parametrize("questions", [[], [question(1), question(1)]])
def test_a_set_that_cannot_be_evaluated(questions: list) -> None:
    with pytest.raises(EvalError):
        run_small(questions=questions)


def test_a_result_is_read_again(small: EvaluationResult, tmp_path: Path) -> None:
    small.save(tmp_path)
    assert EvaluationResult.load(tmp_path) == small
    with pytest.raises(EvalError, match="zhizhi eval"):
        EvaluationResult.load(tmp_path / "nothing")
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(EvalError, match="fault"):
        EvaluationResult.load(tmp_path)
