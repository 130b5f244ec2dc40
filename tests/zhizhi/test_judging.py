import json
from pathlib import Path

from tests.commands import zhizhi

ANSWERS = [
    {"answer": "是岳飞", "gold": "岳飞", "model": "one", "human": True},
    {"answer": "不是岳飞", "gold": "岳飞", "model": "one", "human": False},
    {"answer": "岳飞或秦桧", "gold": "岳飞", "model": "two", "human": True},
    {"answer": "秦桧", "gold": "岳飞", "model": "two", "human": False, "out": True},
]


def written(folder: Path) -> str:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in ANSWERS), "utf-8")
    return str(path)


def test_a_report_is_shown_as_tables(tmp_path: Path) -> None:
    shown = zhizhi(
        "kg", "match", written(tmp_path), "--label", "human", "--by", "model", "--leave-out", "out"
    )
    assert shown.returncode == 0, shown.stderr
    words = (shown.stdout + shown.stderr).replace("│", " ").split()
    text = " ".join(words)
    assert "3 answers judged, 1 left out" in text
    assert "right 1 33.3% named 1" in text
    assert "wrong 1 33.3% negated 1" in text
    assert "ambiguous 1 33.3% hedged 1" in text
    assert "all 3 100.0% 100.0% 50.0% 0.0% 1" in text
    assert "two 1 – – 0.0% – 1" in text


def test_without_labels_the_systems_are_counted(tmp_path: Path) -> None:
    shown = zhizhi("kg", "match", written(tmp_path), "--by", "model")
    text = " ".join((shown.stdout + shown.stderr).replace("│", " ").split())
    assert "all 4 1 2 1" in text
    assert "two 2 0 1 1" in text
    assert "accuracy" not in text
