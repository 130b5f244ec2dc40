from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.outside import learnt_from, outside, read_outside
from kg_builder.errors import UserError
from tests.eval.scripted import ScriptedAttempter

ROWS = [
    {"question": "甲的父亲是谁?", "answer": "乙"},
    {"title": "丙", "text": "…", "qas": [{"q": "丙在哪里?", "a": ["丁"]}, {"q": "", "a": ["戊"]}]},
    {"question": "没有答案?"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "outside.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return file


def test_questions_of_both_layouts_are_read(path: Path) -> None:
    found = {q.text: q.gold.text for q in read_outside(path)}
    assert found == {"甲的父亲是谁?": "乙", "丙在哪里?": "丁"}
    kept = {q.text for q in read_outside(path, limit=None)} - {t for t in found if learnt_from(t)}
    assert {q.text for q in read_outside(path, half=True)} == kept
    assert len(read_outside(path, limit=1)) == 1


def test_wrong_direct_answers_are_counted(path: Path) -> None:
    questions = read_outside(path)
    model = ScriptedAttempter(
        {"甲的父亲是谁?": ("乙", 0.99, False), "丙在哪里?": ("己", 0.99, False)}
    )
    point = model.operating_point(profile=None, min_precision=None)
    found = outside(model, {"both": questions}, point)["both"]
    assert (found["n"], found["direct"], found["direct_right"]) == (2, 2, 1)
    assert found["wrong_share"] == 0.5
    assert found["interval"][0] < 0.5 < found["interval"][1]


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"empty\.jsonl holds no question"):
        read_outside(tmp_path / "empty.jsonl")
