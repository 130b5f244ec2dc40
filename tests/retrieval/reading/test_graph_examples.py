from __future__ import annotations

from kg_builder.passage import Passage
from kg_builder.question import Gold, Question, Split
from retrieval.reading.dataset import located
from retrieval.reading.graph_examples import graph_examples


def question(number: int, split: Split, *objects: str) -> Question:
    return Question(
        id=f"q{number}", text="青石镇的特产是?", language="zh", subject="青石镇", subject_id="town",
        relation="product", topic="青石镇的特产", gold=Gold(objects=tuple((one,) for one in objects)),
        split=split, paraphrases=("青石镇出产什么?",),
    )  # fmt: skip


PASSAGE = Passage(id="p", title="青石镇", text="青石镇出产茶叶、竹笋。", entities=("town",))


def test_a_list_is_answered_whole() -> None:
    [found] = graph_examples([PASSAGE], [question(1, "train", "茶叶", "竹笋")], "train")
    example = located(found, found.questions[0])
    assert example is not None
    assert example.text[example.start : example.end] == "茶叶、竹笋"


def test_only_the_questions_of_the_split_are_asked_in_two_wordings() -> None:
    asked = [question(number, "train", "茶叶") for number in range(4)]
    [found] = graph_examples([PASSAGE], [*asked, question(9, "test", "石头")], "train")
    assert len(found.questions) == 4
    assert {one.text for one in found.questions} == {"青石镇的特产是?", "青石镇出产什么?"}
    assert graph_examples([PASSAGE], asked, "test") == []
