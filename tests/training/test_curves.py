from pathlib import Path

import pytest

from kg_builder.question import Question
from training.curves import CurveRow, curve_row, draw_curves
from training.intervals import wilson

REFUSAL = "我不知道。"


def test_a_row_by_hand(questions: list[Question]) -> None:
    asked = questions[:6]
    right = [q.gold.text for q in asked]
    texts = [right[0], REFUSAL, "错人", right[3], REFUSAL, "错人"]
    # known to the base: 0, 1, 2; unknown: 3, 4; set aside: 5
    known = {q.id: i < 3 for i, q in enumerate(asked[:5])}
    row = curve_row("test", 7, asked, texts, known)
    assert (row.set, row.step, row.n) == ("test", 7, 6)
    assert (row.answered, row.refused, row.correct) == (4, 2, 2)
    assert row.accuracy == 0.5
    assert row.accuracy_interval == wilson(2, 4)
    assert row.over_refusal == pytest.approx(1 / 3)
    assert row.known_kept == pytest.approx(1 / 3)
    assert row.refusal_recall == 0.5
    assert row.gained == 1
    # THS: Pc2 − Pw2 · Pc1 / Pw1 with 3 right and 2 wrong before
    assert row.ths == pytest.approx(2 / 6 - 2 / 6 * 3 / 2)


def test_all_refused_and_nothing_asked(questions: list[Question]) -> None:
    row = curve_row("test", 0, questions[:2], [REFUSAL] * 2, {})
    assert (row.accuracy, row.over_refusal, row.refusal_recall, row.ths) == (None,) * 4
    assert row.accuracy_interval == (0.0, 1.0)
    assert curve_row("test", 0, [], [], {}).n == 0


def test_a_row_survives_json(questions: list[Question]) -> None:
    row = curve_row("test", 1, questions[:2], ["岳山", REFUSAL], {})
    assert CurveRow.model_validate_json(row.model_dump_json()) == row


def test_the_picture_is_drawn_even_where_nothing_was_answered(
    tmp_path: Path, questions: list[Question]
) -> None:
    rows = [
        curve_row(name, step, questions[:4], texts, {})
        for name in ("article", "test")
        for step, texts in ((0, ["岳山", "错", "错", "错"]), (5, [REFUSAL] * 4))
    ]
    path = tmp_path / "deep" / "curves.png"
    draw_curves(rows, path, title="own answers")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000
