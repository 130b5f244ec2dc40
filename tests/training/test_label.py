import pytest
from pydantic import ValidationError

from kg_builder.question import Gold, Question
from training.generation import Generation
from training.label import LabelSettings, category, label, verdict
from training.probe import Probe

SETTINGS = LabelSettings()


def probed(question: Question, greedy: str, *samples: str) -> Probe:
    return Probe(
        question_id=question.id,
        greedy=Generation(text=greedy),
        samples=tuple(Generation(text=text) for text in samples),
    )


@pytest.fixture
def question(questions: list[Question]) -> Question:
    return questions[0]  # 岳清的父亲是? 岳山


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("岳山。", "right"),
        ("岳清的父亲是岳山。", "right"),
        ("岳海。", "wrong"),
        ("", "wrong"),
        ("我不知道和“岳清的父亲”相关的信息。", "refused"),
        ("我不知道,可能是岳山。", "refused"),  # a guess beside a refusal is no answer
    ],
)
def test_verdict(question: Question, text: str, expected: str) -> None:
    assert verdict(question, text) == expected


def test_the_articles_rule_without_samples(question: Question) -> None:
    right, wrong = probed(question, "岳山。"), probed(question, "岳海。")
    refused = probed(question, "我不知道。")
    assert label(question, right, SETTINGS).known is True
    assert label(question, wrong, SETTINGS).known is False
    assert label(question, refused, SETTINGS).known is False
    assert label(question, refused, SETTINGS).verdict == "refused"


def test_an_ambiguous_answer_is_set_aside(question: Question) -> None:
    asked = question.model_copy(
        update={
            "text": "岳清是哪一天出生的?",
            "gold": Gold(objects=(("1949年10月1日",),), answer_type="date"),
        }
    )
    found = label(asked, probed(asked, "1949年。"), SETTINGS)
    assert found.verdict == "ambiguous"
    assert found.known is None
    assert found.reason


@pytest.mark.parametrize(
    ("greedy", "right", "wrong", "known"),
    [
        ("岳山。", 9, 0, True),
        ("岳山。", 7, 2, True),  # 8 of 10
        ("岳山。", 5, 4, None),  # of two minds
        ("岳海。", 9, 0, None),  # the greedy answer is an outlier
        ("岳海。", 1, 8, False),  # 1 of 10
        ("岳海。", 2, 7, None),
        ("岳海。", 0, 9, False),
    ],
)
def test_samples_decide(
    question: Question, greedy: str, right: int, wrong: int, known: bool | None
) -> None:
    found = label(
        question, probed(question, greedy, *["岳山"] * right, *["岳海"] * wrong), SETTINGS
    )
    assert found.known is known
    assert found.p_correct == pytest.approx((right + (greedy == "岳山。")) / 10)
    assert bool(found.reason) is (known is None)


def test_samples_that_might_be_right_are_not_counted_as_ignorance(question: Question) -> None:
    asked = question.model_copy(
        update={
            "text": "岳清是哪一天出生的?",
            "gold": Gold(objects=(("1949年10月1日",),), answer_type="date"),
        }
    )
    wrong = label(asked, probed(asked, "1911年", *["1912年"] * 9), SETTINGS)
    doubtful = label(asked, probed(asked, "1911年", *["1949年"] * 9), SETTINGS)
    assert (wrong.known, doubtful.known) == (False, None)


def test_the_same_probe_can_be_labelled_again(question: Question) -> None:
    probe = probed(question, "岳山。", *["岳山"] * 5, *["岳海"] * 4)
    assert label(question, probe, SETTINGS).known is None
    assert label(question, probe, LabelSettings(known_from=0.5)).known is True


@pytest.mark.parametrize(
    ("greedy", "sampled", "expected"),
    [
        (True, [], "HighlyKnown"),
        (True, [True, True], "HighlyKnown"),
        (True, [True, False], "MaybeKnown"),
        (True, [False, False], "MaybeKnown"),
        (False, [False, True], "WeaklyKnown"),
        (False, [False], "Unknown"),
        (False, [], "Unknown"),
    ],
)
def test_degrees_of_knowing(greedy: bool, sampled: list[bool], expected: str) -> None:
    assert category(greedy, sampled) == expected


def test_a_band_turned_inside_out_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"unknown_to \(0.8\) must be below known_from"):
        LabelSettings(unknown_to=0.8)
