from __future__ import annotations

from collections.abc import Sequence

import pytest
from sklearn.metrics import cohen_kappa_score

from kg_builder.question import Question
from tests.training.test_mix import world
from training.audit import audit, chat_judge, cohen_kappa, containment, read_opinion
from training.engine.local import LocalModel
from training.generation import Generation, Message, Sampling
from training.intervals import wilson
from training.label import Label


def opinions(*told: str):  # type: ignore[no-untyped-def]
    return lambda *_: list(told)


def test_agreement_by_hand() -> None:
    questions, labels = world({"父亲": 3}, {"父亲": 3})
    judge = opinions("right", "right", "wrong", "wrong", "unscored", "right")
    report = audit(questions, labels, judge, name="someone")
    assert (report.n, report.unscored) == (5, 1)
    assert report.agreement == 3 / 5
    assert report.agreement_interval == wilson(3, 5)
    assert report.confusion == {
        "right right": 2,
        "right wrong": 1,
        "wrong right": 1,
        "wrong unscored": 1,
        "wrong wrong": 1,
    }
    assert [d.question_id for d in report.disagreements] == [
        labels[2].question_id,
        labels[5].question_id,
    ]
    assert report.disagreements[0].gold == "答案2号"
    assert report.kappa == pytest.approx(
        cohen_kappa_score(["r", "r", "r", "w", "w"], ["r", "r", "w", "w", "r"])
    )
    assert len(audit(questions, labels, judge, name="x", most=1).disagreements) == 1


def test_what_the_labels_leave_open_is_not_judged() -> None:
    questions, labels = world({"父亲": 2}, {"父亲": 2})
    labels[0] = labels[0].model_copy(update={"verdict": "ambiguous"})
    labels[2] = labels[2].model_copy(update={"verdict": "refused"})
    assert audit(questions, labels, opinions("right", "wrong"), name="x").n == 2
    with pytest.raises(ValueError, match="1 opinions on 2 answers"):
        audit(questions, labels, opinions("right"), name="x")


def test_kappa_at_its_ends() -> None:
    assert cohen_kappa([("a", "a"), ("b", "b")]) == 1.0
    assert cohen_kappa([("a", "b"), ("b", "a")]) == -1.0
    assert cohen_kappa([("a", "a"), ("a", "a")]) is None
    assert cohen_kappa([]) is None


def test_the_articles_rule_as_a_second_opinion() -> None:
    questions, labels = world({"父亲": 2}, {"父亲": 2})
    report = audit(questions, labels, containment, name="containment")
    assert report.agreement == 1.0
    negated = labels[0].model_copy(update={"verdict": "wrong", "answer": "不是答案0号。"})
    report = audit(questions, [negated, *labels[1:]], containment, name="containment")
    assert report.confusion["wrong right"] == 1  # which it cannot see


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("正确", "right"),
        ("正确。", "right"),
        ("错误", "wrong"),
        ("不正确", "wrong"),
        ("这个回答是不对的。", "wrong"),
        ("对", "right"),
        ("回答正确,没有错误。", "right"),
        ("好的", "unscored"),
        ("", "unscored"),
    ],
)
def test_reading_a_chinese_judge(questions: list[Question], text: str, expected: str) -> None:
    assert read_opinion(text, questions[0]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Correct", "right"),
        ("INCORRECT.", "wrong"),
        ("The answer is not correct.", "wrong"),
        ("Yes, it is correct.", "right"),
        ("No.", "wrong"),
        ("I do not know", "unscored"),
        ("rightly so", "unscored"),
    ],
)
def test_reading_an_english_judge(questions: list[Question], text: str, expected: str) -> None:
    english = questions[0].model_copy(update={"language": "en"})
    assert read_opinion(text, english) == expected


class Chat:
    """Says 正确 where the right answer stands in the answer that it is shown."""

    name = "chat"

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Generation]:
        found = []
        for conversation in conversations:
            lines = dict(
                line.split(":", 1) for line in conversation[0]["content"].split("\n") if ":" in line
            )
            agrees = lines["标准答案"] in lines["回答"]
            found.append(Generation(text="正确" if agrees else "错误"))
        return found


def test_any_chat_model_may_judge() -> None:
    questions, labels = world({"父亲": 3}, {"父亲": 3})
    report = audit(questions, labels, chat_judge(Chat()), name="chat")
    assert (report.n, report.agreement, report.kappa) == (6, 1.0, 1.0)


def test_a_model_that_cannot_judge_is_unscored_not_wrong(
    local: LocalModel, questions: list[Question]
) -> None:
    labels = [
        Label(
            question_id=q.id,
            known=True,
            verdict="right",
            answer=q.gold.text,
            p_correct=1.0,
            category="HighlyKnown",
        )
        for q in questions[:4]
    ]
    report = audit(questions, labels, chat_judge(local), name="miniature")
    assert report.n + report.unscored == 4
