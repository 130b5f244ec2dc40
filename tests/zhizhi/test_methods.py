"""The comparison of methods: decisions and figures, by hand; all of it at work is `zhizhi bench methods`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kg_builder.errors import UserError
from kg_builder.files import read_manifest, write_jsonl, write_manifest
from kg_builder.question import Question
from tests.commands import zhizhi
from tests.training.conftest import invented_questions
from training.label import Label
from zhizhi.methods import METHODS, SWEEP, Method, Outcome, answer_all, decided
from zhizhi.recipe import Recipe
from zhizhi.standing import standing


def outcome(number: int, confidence: float | None, refused: bool | None = None) -> Outcome:
    return Outcome(question_id=f"q{number}", text="甲", confidence=confidence, refused=refused)


def test_a_method_that_refuses_by_itself_decides() -> None:
    told = [outcome(0, 0.9, True), outcome(1, 0.1, False)]
    assert decided(told, [], []) == [True, False]


def test_a_threshold_is_chosen_where_the_calibration_reaches_the_precision() -> None:
    calibration = [outcome(i, c) for i, c in enumerate([0.9] * 9 + [0.8] + [0.2] * 10)]
    right = [True] * 9 + [False] + [False] * 10
    test = [outcome(30, 0.85), outcome(31, 0.8), outcome(32, 0.3), outcome(33, 0.95)]
    assert decided(test, calibration, right) == [False, False, True, False]  # 9 of 10 right at 0.8
    assert decided(test, calibration, [False] * 20) == [True] * 4  # nothing reaches it
    falling = [one.model_copy(update={"confidence": -5.0 - i}) for i, one in enumerate(calibration)]
    assert decided([outcome(1, -5.0)], falling, [True] * 20) == [False]  # any scale will do


@dataclass
class Small:
    """As much of a Comparison as its stages and figures look at."""

    out: Path
    split: dict[str, list[Question]]
    labels: list[Label]
    key: str = "key"
    examples: int = 8
    recipe: Recipe = field(default_factory=Recipe)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    questions = invented_questions()
    labels = [
        Label(
            question_id=q.id,
            known=i % 2 == 0,
            verdict="right" if i % 2 == 0 else "wrong",
            answer=q.gold.text if i % 2 == 0 else "错",
            p_correct=float(i % 2 == 0),
            category="HighlyKnown" if i % 2 == 0 else "Unknown",
        )
        for i, q in enumerate(questions)
    ]
    return Small(tmp_path, {"calibration": questions[:12], "test": questions[12:]}, labels)


def by_label(surely: bool, calls: list[str]) -> Any:
    """Answers as labelled; sure of what is right (or of everything)."""

    def answer(c: Any, _: Path, questions: list[Question]) -> list[Outcome]:
        calls.append("asked")
        answers = {one.question_id: one for one in c.labels}
        return [
            Outcome(
                question_id=q.id,
                text=answers[q.id].answer,
                confidence=answers[q.id].p_correct if surely else None,
                refused=None if surely else False,
            )
            for q in questions
        ]

    return answer


def test_what_is_done_is_kept_and_the_table_tells_who_is_better(small: Small) -> None:
    calls: list[str] = []
    methods = {
        "base": Method("base", "", 1, by_label(False, calls)),
        "ours": Method("ours", "", 2, by_label(True, calls)),
    }
    for _ in range(2):
        answer_all(small, methods)  # type: ignore[arg-type]
    assert calls == ["asked", "asked"]
    table = standing(small, methods)  # type: ignore[arg-type]
    assert (table["n"], table["known"], table["unknown"]) == (12, 6, 6)
    base, ours = table["methods"]["base"], table["methods"]["ours"]
    assert (base["precision"], base["coverage"], base["auroc"]) == (0.5, 1.0, 0.5)
    assert (ours["precision"], ours["coverage"], ours["auroc"]) == (1.0, 0.5, 1.0)
    assert (ours["over_refusal"], ours["refusal_recall"], ours["honesty"]) == (0.0, 1.0, 1.0)
    assert base["ths"] == pytest.approx(0)
    assert ours["ths"] == pytest.approx(0.5)
    assert (base["coverage_at_90"], ours["coverage_at_90"]) == (0.0, 0.5)
    assert table["against_the_next"]["aurc"]["next"] == "base"
    assert table["against_the_next"]["aurc"]["difference"] < 0
    text = (small.out / "standing.md").read_text()
    assert "| ours | 100.0% [61–100] |" in text
    assert "ours minus base" in text


def test_what_was_only_tuned_is_not_in_the_table(small: Small) -> None:
    calls: list[str] = []
    methods = {name: Method(name, "", 1, by_label(True, calls)) for name in ("base", "craft")}
    answer_all(small, methods, ["base"])  # type: ignore[arg-type]
    write_manifest(small.out / "craft", {"inputs": "of the tuning"})
    assert list(standing(small, methods)["methods"]) == ["base"]  # type: ignore[arg-type]
    assert read_manifest(small.out / "base") is not None
    with pytest.raises(UserError, match="no 'nonesuch'"):
        answer_all(small, methods, ["nonesuch"])  # type: ignore[arg-type]


def test_the_methods_of_the_field_are_there() -> None:
    first, *_, last = METHODS
    assert (first, last) == ("base", "ours")
    assert {"r_tuning", "craft", "idk_dpo", "self_consistency", "semantic_entropy"} < {*METHODS}
    assert {"as_the_run", "fixed_form", "unpaired"} < {*SWEEP}


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "x.jsonl", [])
    shown = zhizhi("bench", "methods", "--run", str(tmp_path), "--out", str(tmp_path / "out"))
    assert shown.returncode == 2
    assert "no bundle" in shown.stderr
