from __future__ import annotations

import math

import pytest

from kg_builder.question import Question
from training.baselines import (
    agreement_with,
    clusters,
    p_true,
    same_answer,
    self_consistency,
    semantic_entropy,
)
from training.engine.local import LocalModel
from training.generation import Generation
from training.language_pack import language_pack

SAMPLES = ["岳飞。", "岳云的父亲是岳飞。", "秦桧。", "我不知道。", "岳飞", "不清楚。"]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("岳飞。", "岳飞", True),
        ("岳飞。", "岳云的父亲是岳飞。", True),
        ("岳飞。岳云的父亲是岳飞。", "岳飞", True),
        ("Yue Fei.", "yue fei", True),
        ("岳飞。", "秦桧。", False),
        ("1949年", "1949年10月1日", True),  # the finer agrees with the coarser
        ("1949年", "1911年10月10日", False),
        ("", "", True),
        ("", "岳飞", False),
    ],
)
def test_same_answer(a: str, b: str, expected: bool) -> None:
    assert same_answer(a, b) is expected
    assert same_answer(b, a) is expected


def test_clusters_by_meaning_with_one_for_refusals() -> None:
    assert clusters(SAMPLES) == [[0, 1, 4], [2], [3, 5]]
    assert clusters([]) == []


def test_self_consistency() -> None:
    assert self_consistency(SAMPLES) == ("岳飞。", 0.5)
    assert self_consistency(["甲", "乙"]) == ("甲", 0.5)  # ties go to the earlier
    assert self_consistency(["甲", "不知道。", "我不知道"]).answer == "不知道。"
    with pytest.raises(ValueError, match="at least one answer"):
        self_consistency([])


def test_agreement_with_an_answer() -> None:
    assert agreement_with("岳飞", SAMPLES) == 0.5
    assert agreement_with("我不知道。", SAMPLES) == pytest.approx(2 / 6)
    assert agreement_with("李白", SAMPLES) == 0.0
    assert agreement_with("李白", []) == 1.0


def test_semantic_entropy_by_hand() -> None:
    samples = [Generation(text=text) for text in SAMPLES]
    masses = [3 / 6, 1 / 6, 2 / 6]
    assert semantic_entropy(samples) == pytest.approx(-sum(m * math.log(m) for m in masses))
    assert semantic_entropy(samples[:2]) == 0.0
    with pytest.raises(ValueError, match="at least one sample"):
        semantic_entropy([])


def test_semantic_entropy_by_likelihood() -> None:
    samples = [
        Generation(text="岳飞。", token_logprobs=(-0.2, -0.4)),  # e^-0.3
        Generation(text="岳飞", token_logprobs=(-0.5,)),
        Generation(text="秦桧。", token_logprobs=(-2.0, -2.0)),
    ]
    right, wrong = math.exp(-0.3) + math.exp(-0.5), math.exp(-2.0)
    masses = [right / (right + wrong), wrong / (right + wrong)]
    expected = -sum(m * math.log(m) for m in masses)
    assert semantic_entropy(samples, by_likelihood=True) == pytest.approx(expected)
    with pytest.raises(ValueError, match="no log-probabilities"):
        semantic_entropy([Generation(text="岳飞。")], by_likelihood=True)


class Believer:
    """Finds an answer right that says so; remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def probability(self, conversations, options) -> list[list[float]]:  # type: ignore[no-untyped-def]
        self.seen += [c[0]["content"] for c in conversations]
        self.options = options
        return [[0.6, 0.2] if "岳飞" in c[0]["content"] else [0.0, 0.0] for c in conversations]


def test_p_true_is_normalised_over_the_options(questions: list[Question]) -> None:
    believer = Believer()
    english = questions[1].model_copy(update={"language": "en"})
    found = p_true(believer, [questions[0], english], ["岳飞", "x"])
    assert found == [pytest.approx(0.75), 0.5]
    assert questions[0].text in believer.seen[0]
    assert "True or False" in believer.seen[1]
    assert believer.options == language_pack("en").p_true_options
    p_true(believer, questions[:1], ["甲"], [["乙", "丙"]])
    assert "乙\n丙" in believer.seen[-1]
    with pytest.raises(ValueError, match="1 answers for 2 questions"):
        p_true(believer, questions[:2], ["甲"])


def test_p_true_of_a_real_model(local: LocalModel, questions: list[Question]) -> None:
    found = p_true(local, questions[:5], [q.gold.text for q in questions[:5]])
    assert all(0 <= p <= 1 for p in found)
    alone = [p_true(local, [q], [q.gold.text])[0] for q in questions[:5]]
    assert found == pytest.approx(alone, abs=1e-3)
