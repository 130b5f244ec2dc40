"""Question sets in the shapes in which people have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.errors import EvalError
from eval.question_set import golds, read_question_set
from tests.eval.scripted import question

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_our_own_questions_come_back_as_they_were(tmp_path: Path) -> None:
    asked = [question(1), question(2, split="train", popularity=3.5)]
    lines = "\n".join(q.model_dump_json() for q in asked)
    write(tmp_path / "questions.jsonl", lines)
    assert read_question_set(tmp_path).questions == asked
    assert read_question_set(tmp_path, split="train").questions == asked[1:]
    with pytest.raises(EvalError, match=r"train \(1\)"):
        read_question_set(tmp_path, split="calibration")


def test_json_lines_with_other_names(tmp_path: Path) -> None:
    rows = [
        {"question": "谁写了《红楼梦》?", "answer": "曹雪芹", "primary_category": "文学"},
        {"query": "Who wrote Hamlet?", "answers": ["Shakespeare", "William Shakespeare"]},
        {"prompt": "1+1?", "target": 2},
        {"question": "无答案?"},
        {"answer": "无问题"},
        {"question": "空?", "answer": ["", " "]},
        {"question": "谁写了《红楼梦》?", "answer": "曹雪芹"},
    ]
    found = read_question_set(write(tmp_path / "set.jsonl", "\n".join(json.dumps(r) for r in rows)))
    assert [q.language for q in found.questions] == ["zh", "en", "en"]
    assert found.questions[0].relation == "文学"
    assert found.questions[1].gold.objects == (("Shakespeare",), ("William Shakespeare",))
    assert found.questions[2].gold.text == "2"
    assert [s.why.split(" ")[0] for s in found.skipped] == ["it", "it", "its", "the"]
    assert found.skipped[0].where == "record 4"


@pytest.mark.parametrize(("suffix", "comma"), [(".csv", ","), (".csv", ";"), (".tsv", "\t")])
def test_csv(tmp_path: Path, suffix: str, comma: str) -> None:
    lines = [["question", "answer", "id", "popularity"], ["首都?", "巴黎|Paris", "a", "12"]]
    text = "\ufeff" + "\n".join(comma.join(line) for line in lines)
    found = read_question_set(write(tmp_path / f"set{suffix}", text)).questions
    assert (found[0].id, found[0].popularity) == ("a", 12.0)
    assert found[0].gold.objects == (("巴黎",), ("Paris",))


def test_a_dataset_folder_of_hugging_face(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"question": ["首都?", "河?"], "answers": [{"text": ["巴黎"]}, {"text": ["塞纳河"]}]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "one"))
    assert [q.gold.text for q in read_question_set(tmp_path / "one").questions] == [
        "巴黎",
        "塞纳河",
    ]
    parts = datasets.DatasetDict(
        {"train": datasets.Dataset.from_dict(rows), "test": datasets.Dataset.from_dict(
            {"question": ["山?"], "answers": [{"text": ["泰山"]}]}
        )}
    )  # fmt: skip
    parts.save_to_disk(str(tmp_path / "parts"))
    assert len(read_question_set(tmp_path / "parts").questions) == 3
    assert [q.text for q in read_question_set(tmp_path / "parts", split="test").questions] == [
        "山?"
    ]


def test_a_reading_set_brings_its_passages(tmp_path: Path) -> None:
    record = {
        "pid": "p1",
        "title": "岳飞",
        "text": "岳飞,字鹏举。",
        "qas": [{"question": "岳飞的字是?", "answers": ["鹏举"]}],
    }
    found = read_question_set(write(tmp_path / "r.jsonl", json.dumps(record)))
    assert found.passages[0].text == "岳飞,字鹏举。"
    assert (found.questions[0].subject_id, found.questions[0].id) == ("p1", "p1#0")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("甲|乙", (("甲",), ("乙",))),
        (["甲", "乙", "甲"], (("甲",), ("乙",))),
        ([["甲", "别名"], ["乙"]], (("甲", "别名"), ("乙",))),
        ({"text": ["甲"], "answer_start": [3]}, (("甲",),)),
        (3, (("3",),)),
    ],
)
def test_golds(value: object, expected: object) -> None:
    assert golds(value) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.jsonl", None, "no question set"),
        ("x.txt", "a", "not a question set"),
        ("x.jsonl", "not json", "not JSON"),
        ("x.jsonl", '{"a": 1}', "1 records were skipped"),
        ("x.csv", "a,b\n1,2", "it has no question"),
    ],
)
def test_what_is_no_question_set(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    path = tmp_path / name
    if text is not None:
        write(path, text)
    with pytest.raises(Exception, match=message):
        read_question_set(path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the development data are not here")
def test_real_sets() -> None:
    reading = read_question_set(SHARED / "cmrc2018" / "passages.jsonl")
    assert len(reading.passages) > 1000
    assert len(reading.questions) > 4000
    simple = read_question_set(SHARED / "chinese-simpleqa" / "questions.jsonl")
    assert len(simple.questions) > 2900
