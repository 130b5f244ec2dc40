"""Reading-comprehension data: their layouts, their parts, and where answers stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.reading.dataset import (
    ReadingDataError,
    ReadingExample,
    ReadingPassage,
    ReadingQuestion,
    calibration_part,
    hold_out,
    located,
    read_reading_data,
)

PATIENT = settings(deadline=None)  # the first example loads dictionaries
PASSAGES = st.lists(
    st.builds(
        ReadingPassage,
        title=st.text("abc", max_size=2),
        text=st.text("临江海宁。", min_size=1, max_size=6),
        questions=st.just(()),
    ),
    max_size=20,
)


def written(folder: Path, *records: Any) -> Path:
    path = folder / "data.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def test_both_layouts_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "pid": "1",
            "title": "临江",
            "text": "临江在东海道。",
            "qas": [{"q": "在哪?", "a": ["东海道", "东海道"]}],
        },
        {
            "title": "New_Harbour",
            "text": "It is a port. A port it is.",
            "qas": [{"question": "What is it?", "answers": ["port"], "starts": [[8, 17]]}],
        },
    )
    assert read_reading_data([path]) == [
        ReadingPassage("临江", "临江在东海道。", (ReadingQuestion("在哪?", ("东海道",)),)),
        ReadingPassage(
            "New Harbour",
            "It is a port. A port it is.",
            (ReadingQuestion("What is it?", ("port",), ((8, 17),)),),
        ),
    ]


def test_files_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one = written(tmp_path, {"text": "一", "qas": []})
    other = written(tmp_path / "a", {"text": "二", "qas": []}, {"text": "三", "qas": []})
    assert [p.text for p in read_reading_data([other, one])] == ["二", "三", "一"]


@pytest.mark.parametrize(
    "record",
    [
        {"text": "没有问题"},
        {"qas": []},
        {"text": "a", "qas": [{"question": "b"}]},
        {"text": "a", "qas": [{"answers": ["b"]}]},
        {"text": "a", "qas": ["b"]},
        {"text": "a", "qas": [{"question": "b", "answers": ["c"], "starts": [["x"]]}]},
        {"text": "a", "qas": None},
    ],
)
def test_another_layout_is_refused_with_file_and_line(tmp_path: Path, record: Any) -> None:
    path = written(tmp_path, {"text": "a", "qas": []}, record)
    with pytest.raises(ReadingDataError, match=r"data\.jsonl, line 2:"):
        read_reading_data([path])


def test_the_line_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('\n\n{"text": "a"}\n', encoding="utf-8")
    with pytest.raises(ReadingDataError, match="line 3:"):
        read_reading_data([path])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReadingDataError, match=r"absent\.jsonl"):
        read_reading_data([tmp_path / "absent.jsonl"])
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": ', encoding="utf-8")
    with pytest.raises(ReadingDataError, match=r"broken\.jsonl, line 1"):
        read_reading_data([broken])


def test_an_example_knows_whether_it_is_answerable() -> None:
    assert ReadingExample("q", "t", "text", 0, 2).answerable
    assert not ReadingExample("q", "t", "text").answerable


@given(PASSAGES, st.integers(0, 12), st.integers(0, 3))
def test_holding_out_parts_whole_articles(
    passages: list[ReadingPassage], articles: int, seed: int
) -> None:
    rest, held = hold_out(passages, articles, seed)
    titles = {passage.title for passage in passages}
    assert sorted(rest + held) == sorted(passages)
    assert not {p.title for p in rest} & {p.title for p in held}
    assert len({p.title for p in held}) == min(articles, len(titles))
    assert hold_out(passages[::-1], articles, seed)[1] == held[::-1]


@given(PASSAGES, st.floats(0, 1), st.floats(0, 1))
def test_the_calibration_part_keeps_articles_together_and_only_grows(
    passages: list[ReadingPassage], one: float, other: float
) -> None:
    small, large = sorted((one, other))
    training, calibration = calibration_part(passages, small)
    assert sorted(training + calibration) == sorted(passages)
    titled = {p.title for p in training if p.title}, {p.title for p in calibration if p.title}
    assert not titled[0] & titled[1]
    assert set(calibration) <= set(calibration_part(passages, large)[1])


def test_the_calibration_part_is_about_its_share() -> None:
    passages = [ReadingPassage(f"article {n}", "text", ()) for n in range(1000)]
    assert 150 < len(calibration_part(passages, 0.2)[1]) < 250
    assert calibration_part(passages, 0.0)[1] == []
    assert calibration_part(passages, 1.0)[0] == []


def test_the_place_is_taken_whose_neighbourhood_the_question_names() -> None:
    text = "1432年，柳如烟出生于海宁城。" + "中间是别的话。" * 12 + "1432年，临江的城墙建成。"
    passage = ReadingPassage("史", text, ())
    built = located(passage, ReadingQuestion("临江的城墙何时建成?", ("1432年",)))
    born = located(passage, ReadingQuestion("柳如烟何时出生?", ("1432年",)))
    assert built is not None
    assert born is not None
    assert (born.start, built.start) == (0, text.rindex("1432年"))


def test_the_first_answer_that_stands_in_the_text_is_taken() -> None:
    passage = ReadingPassage("t", "柳敬之是她的父亲。", ())
    found = located(passage, ReadingQuestion("父亲是谁?", ("", "柳 敬之", "柳敬之", "父亲")))
    assert found == ReadingExample("父亲是谁?", "t", "柳敬之是她的父亲。", 0, 3)
    assert located(passage, ReadingQuestion("父亲是谁?", ("沈怀远",))) is None


@PATIENT
@given(st.text("ab ", max_size=12), st.lists(st.text("ab ", max_size=3), max_size=3), st.text("ab"))
def test_a_place_holds_an_answer(text: str, answers: list[str], question: str) -> None:
    found = located(ReadingPassage("t", text, ()), ReadingQuestion(question, tuple(answers)))
    if found is None:
        assert not any(answer and answer in text for answer in answers)
    else:
        assert found.text[found.start : found.end] in answers
        assert found.end > found.start
