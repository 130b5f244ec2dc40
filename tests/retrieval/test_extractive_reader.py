"""What the extractive reader answers and refuses, on passages about invented people and places."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg_builder.passage import Passage
from kg_builder.question import Gold, Question
from kg_builder.relation import Catalogue
from retrieval.evidence import Evidence, Reading
from retrieval.extractive_reader import ExtractiveReader
from retrieval.reader_model import ReaderModel, ReaderModelError, train_reader

# Teaches what cities, countries and dynasties look like; none of it is asked about below.
CITIES = ("云州", "宁城", "安州", "平城", "登州", "海州", "昌州", "雍城", "奉州", "蓬城")
COUNTRIES = ("沧国", "洛国")
LESSONS = [
    Passage(
        id=f"t{n}",
        title=f"第{n}机场",
        text=f"第{n}机场的所在城市是{city}。第{n}机场的所在国家是{COUNTRIES[n % 2]}。",
    )
    for n, city in enumerate(CITIES)
]


def piece(text: str, title: str = "沈云舟", identity: str = "", **more: object) -> Evidence:
    passage = Passage(id=identity or f"id-{title}-{hash(text)}", title=title, text=text)
    return Evidence.model_validate({"passage": passage, "score": 1.0, **more})


@pytest.fixture(scope="module")
def reader() -> ExtractiveReader:
    return ExtractiveReader(train_reader(LESSONS, Catalogue.load()))


PERSON = piece("沈云舟的父亲是沈怀远。沈云舟,字子渡。沈云舟是临江人。他的母亲是白氏。")


@pytest.mark.parametrize(
    ("question", "answer", "quote"),
    [
        ("谁是沈云舟的父亲?", "沈怀远", "沈云舟的父亲是沈怀远。"),
        ("请问沈雲舟的父親是誰", "沈怀远", "沈云舟的父亲是沈怀远。"),
        ("沈云舟的表字是什么?", "子渡", "沈云舟,字子渡。"),
        ("沈云舟的母亲是谁?", "白氏", "他的母亲是白氏。"),
    ],
)
def test_answers_with_the_object_and_its_sentence(
    reader: ExtractiveReader, question: str, answer: str, quote: str
) -> None:
    reading = reader.read_now(question, [piece("临江在东海道。", "临江"), PERSON])
    assert reading.answer == answer
    (citation,) = reading.citations
    assert citation.quote == quote
    assert citation.quote in PERSON.passage.text
    assert reading.answer[citation.start : citation.end] == answer
    assert citation.passage_id == PERSON.passage.id


@pytest.mark.parametrize(
    "question",
    [
        "沈云舟的妻子是谁?",  # right entity, another relation
        "沈云飞的父亲是谁?",  # another entity
        "沈云舟的父亲的母亲是谁?",  # two steps
        "沈怀远的父亲是谁?",  # the relation turned round
        "沈云舟为什么离开临江?",  # no relation at all
        "你好",
        "",
    ],
)
def test_refuses_what_the_evidence_does_not_say(reader: ExtractiveReader, question: str) -> None:
    reading = reader.read_now(question, [PERSON])
    assert (reading.answer, reading.reason) == (None, "insufficient_evidence")
    assert reading.evidence == (PERSON,)


def test_nothing_found(reader: ExtractiveReader) -> None:
    assert reader.read_now("谁是沈云舟的父亲?", []).reason == "no_results"


def test_shared_words_are_told_apart_by_their_objects(reader: ExtractiveReader) -> None:
    place = piece("白鹭机场在云州。白鹭机场位于沧国。", "白鹭机场")
    assert reader.read_now("白鹭机场在哪座城市?", [place]).answer == "云州"
    assert reader.read_now("白鹭机场在哪个国家?", [place]).answer == "沧国"
    only_city = piece("白鹭机场在云州。", "白鹭机场")
    assert reader.read_now("白鹭机场在哪个国家?", [only_city]).answer is None


def test_untrained_leaves_shared_words_alone() -> None:
    untrained = ExtractiveReader()
    place = piece("白鹭机场在云州。白鹭机场的机场代码是BLJ。", "白鹭机场")
    assert untrained.read_now("白鹭机场在哪座城市?", [place]).answer is None
    assert untrained.read_now("白鹭机场的机场代码是?", [place]).answer == "BLJ"


def test_other_names(reader: ExtractiveReader) -> None:
    book = piece("《夜航书》的作者是顾长风。《夜航书》又称《夜航集》、夜书。", "《夜航书》")
    for name in ("夜航书", "《夜航集》", "夜书"):
        assert reader.read_now(f"{name}的作者是谁?", [book]).answer == "顾长风"
    assert reader.read_now("《夜航录》的作者是谁?", [book]).answer is None


def test_marks_come_back(reader: ExtractiveReader) -> None:
    author = piece("顾长风笔下有人物柳三。柳三出自《夜航书》。", "柳三")
    reading = reader.read_now("柳三出自哪部作品?", [author])
    assert reading.answer in ("《夜航书》", None)


def conflict(reader: ExtractiveReader, *texts: str) -> Reading:
    return reader.read_now(
        "沈云舟的父亲是谁?", [piece(text, identity=str(n)) for n, text in enumerate(texts)]
    )


def test_conflicts_are_reported_and_majorities_prevail(reader: ExtractiveReader) -> None:
    one, other = "沈云舟的父亲是沈怀远。", "沈云舟的父亲是陆九思。"
    assert conflict(reader, one, other).reason == "conflicting_evidence"
    reading = conflict(reader, one, other, "沈怀远是沈云舟的父亲。")
    assert reading.answer == "沈怀远"
    assert {c.passage_id for c in reading.citations} == {"0", "2"}
    assert [c.number for c in reading.citations] == [1, 2]


def test_english(reader: ExtractiveReader) -> None:
    evidence = piece("The father of Ann Lee is John Lee. Ann Lee was born in 1790.", "Ann Lee")
    assert reader.read_now("Who is the father of Ann Lee?", [evidence]).answer == "John Lee"
    assert reader.read_now("In what year was Ann Lee born?", [evidence]).answer == "1790"
    assert reader.read_now("Who is the mother of Ann Lee?", [evidence]).answer is None


def test_relations_no_catalogue_knows() -> None:
    question = Question(
        id="q", text="碧落塔的守门人是?", language="zh", subject="碧落塔", subject_id="碧落塔",
        relation="守门人", topic="碧落塔的守门人", gold=Gold(objects=(("石敢",),)), split="train",
    )  # fmt: skip
    model = train_reader([], Catalogue.load(), [question])
    evidence = piece("黄泉塔的守门人是阿鬼。", "黄泉塔")
    assert ExtractiveReader(model).read_now("黄泉塔的守门人是?", [evidence]).answer == "阿鬼"


async def test_the_model_is_kept_and_checked(tmp_path: Path) -> None:
    train_reader(LESSONS, Catalogue.load()).save(tmp_path / "reader.json")
    reader = ExtractiveReader(ReaderModel.load(tmp_path / "reader.json"))
    place = piece("白鹭机场在云州。", "白鹭机场")
    assert (await reader.read("白鹭机场在哪座城市?", [place])).answer == "云州"
    (tmp_path / "reader.json").write_text('{"format": "other"}')
    with pytest.raises(ReaderModelError, match="format 'other'"):
        ReaderModel.load(tmp_path / "reader.json")


def test_only_the_training_split_teaches() -> None:
    question = Question(
        id="q", text="甲机场在哪座城市?", language="zh", subject="甲机场", subject_id="甲机场",
        relation="located_in_city", topic="", gold=Gold(objects=(("秘密市",),)), split="test",
    )  # fmt: skip
    model = train_reader(LESSONS, Catalogue.load(), [question])
    assert "秘密市" not in model.objects.names
