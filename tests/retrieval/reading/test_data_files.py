"""The layouts that reading data come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from retrieval.reading.data_files import read_data_files
from retrieval.reading.dataset import ReadingDataError

ANSWER = "The wall of Linjiang was built in 1432, after the second flood of the river."


def written(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


def test_passages_triples_and_answers_in_one_list(tmp_path: Path) -> None:
    passages = written(
        tmp_path / "a.jsonl",
        {
            "title": "t",
            "text": "Its flower is the jasmine.",
            "qas": [{"q": "flower?", "a": ["jasmine"]}],
        },
    )
    triples = written(
        tmp_path / "b.jsonl", {"question": "谁写的?", "s": "夜航书", "p": "作者", "o": "顾长风"}
    )
    question = {"question": "when was the wall built", "gold": ["1432"]}
    answers = written(
        tmp_path / "c.jsonl",
        question | {"answer": ANSWER, "human_correct": True},
        question | {"answer": ANSWER, "human_correct": False},
        question | {"answer": "1432", "human_correct": True},
        question | {"answer": ANSWER.replace("1432", "1502"), "human_correct": True},
    )
    found = read_data_files([passages, triples, answers])
    assert [p.questions[0].text for p in found] == ["flower?", "谁写的?", "when was the wall built"]
    assert found[2].text == ANSWER
    assert found[2].questions[0].answers == ("1432",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            '{"question": "q", "s": "s", "p": "p", "o": "o"}\n{"question": "q"}\n',
            "more than one kind",
        ),
        ('{"other": 1}\n', "line 1"),
        ("not json\n", "line 1"),
    ],
)
def test_what_is_none_of_these_is_named(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReadingDataError, match=told):
        read_data_files([path])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadingDataError, match="none"):
        read_data_files([tmp_path / "none.jsonl"])
