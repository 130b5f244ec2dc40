from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from eval.judging import agreement, judged, opinions
from eval.language_pack import fill, language_pack
from eval.result import EvaluationResult
from tests.eval.scripted import ScriptedModel, question
from tests.eval.small import run_small
from tests.eval.world import Library


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("zh", "两者一致。\n结论:正确", "correct"),
        ("zh", "结论:正确?不,应为另一人。\n结论: 错误", "wrong"),
        ("zh", "回答正确", "unscored"),
        ("zh", "结论:无法判断", "unscored"),
        ("en", "It says so.\nConclusion: RIGHT", "correct"),
        ("en", "conclusion: **mistaken**", "wrong"),
        ("en", "Conclusion: refused.", "refused"),
        ("en", "The answer is RIGHT.", "unscored"),
        ("en", "", "unscored"),
    ],
)
def test_only_a_conclusion_is_a_verdict(language, text: str, expected: str) -> None:
    assert language_pack(language).judge.read(text) == expected


def test_the_judge_is_told_neither_arm_nor_wish() -> None:
    seen: list[str] = []

    class Judge(ScriptedModel):
        def _one(self, prompt: str):
            seen.append(prompt)
            return super()._one(prompt)

    found = opinions(Judge({}, default="结论:拒答"), [(question(1, "巴黎"), "我不知道。{gold}")])
    assert [o.verdict for o in found] == ["refused"]
    assert len(seen) == 1
    assert "巴黎" in seen[0]
    assert "我不知道。{gold}" in seen[0]  # what the answer says is not filled in
    assert "refusal_phrase" not in seen[0]


def test_fill_is_one_pass() -> None:
    assert fill("{a}{b}{c}", a="{b}", b="x") == "{b}x{c}"


def test_agreement_agrees_with_scikit_learn() -> None:
    first = ["correct", "wrong", "refused", "correct", "wrong", "ambiguous", "correct"]
    second = ["correct", "correct", "refused", "correct", "wrong", "correct", "unscored"]
    found = agreement(first, second, list("abcdefg"))
    assert found["agreement"]["n"] == 5
    assert found["agreement"]["value"] == 0.8
    assert found["kappa"] == pytest.approx(cohen_kappa_score(first[:5], second[:5]), abs=1e-9)
    assert found["unscored"] == 1
    assert found["pairs"]["ambiguous/correct"] == 1
    assert agreement(["correct"], ["unscored"], ["a"])["kappa"] is None


def test_a_judge_replaces_every_verdict(small: EvaluationResult) -> None:
    found, agreed = judged(small, ScriptedModel({}, default="结论:错误"))
    assert {r.verdict for r in found.arms["base"].records} == {"wrong"}
    assert agreed["arms"]["base"]["agreement"]["value"] == 24 / 40
    assert {r.verdict for r in small.arms["base"].records} == {"correct", "wrong"}


def test_a_killed_judgement_goes_on_and_pays_for_no_text_twice(
    small: EvaluationResult, tmp_path: Path
) -> None:
    class Judge(ScriptedModel):
        seen = 0

        def generate(self, conversations, sampling):
            if self.seen >= 20:
                raise KeyboardInterrupt
            self.seen += len(conversations)
            return super().generate(conversations, sampling)

    with pytest.raises(KeyboardInterrupt):
        judged(small, Judge({}, default="结论:正确"), folder=tmp_path, chunk=10)
    later = Judge({}, default="结论:错误")
    later.seen = -1000
    found, _ = judged(small, later, folder=tmp_path, chunk=10)
    texts = {(r.question_id, r.text) for arm in small.arms.values() for r in arm.records if r.text}
    assert later.seen + 1000 == len(texts) - 20
    verdicts = [r.verdict for arm in found.arms.values() for r in arm.records]
    assert verdicts.count("correct") >= 20


def test_what_failed_is_not_judged() -> None:
    result = run_small(chain=Library([], error=OSError("no network")))
    found, agreed = judged(result, ScriptedModel({}, default="结论:正确"))
    verdicts = [r.verdict for r in found.arms["calibrated_fallback"].records]
    assert (verdicts.count("correct"), verdicts.count("unscored")) == (14, 26)
    assert agreed["arms"]["calibrated_fallback"]["unscored"] == 26
