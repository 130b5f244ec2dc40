import pytest

from eval.balanced import balanced
from eval.record import Record, Reply
from eval.result import ArmResult, EvaluationResult
from eval.settings import EvaluationSettings
from tests.eval.scripted import REFUSAL, question
from training.attempt import Attempt
from training.generation import Generation

# What is known, said by the base, said by the tuned model, and the confidence of its best answer.
ROWS = [
    (True, "right", "right", 0.9),
    (True, "right", "refused", 0.8),
    (False, "wrong", "wrong", 0.7),
    (False, "wrong", "refused", 0.1),
    (False, "wrong", "refused", 0.2),
    (None, "wrong", "wrong", 0.95),
]


def result() -> EvaluationResult:
    questions = [question(i) for i in range(len(ROWS))]

    def text(i: int, kind: str) -> str:
        return {"right": questions[i].gold.text, "wrong": "乱说", "refused": REFUSAL}[kind]

    def arm(name: str, column: int) -> ArmResult:
        replies = [
            Reply(text=text(i, str(row[column])), route="direct") for i, row in enumerate(ROWS)
        ]
        pairs = zip(questions, replies, strict=True)
        return ArmResult(name=name, records=[Record.of(q, reply) for q, reply in pairs])

    attempts = [
        Attempt(
            text=text(i, base),
            refused=tuned == "refused",
            refusal_text="",
            confidence=confidence,
            signals={},
            generation=Generation(text=""),
        )
        for i, (_, base, tuned, confidence) in enumerate(ROWS)
    ]
    return EvaluationResult(
        questions=questions,
        known=[row[0] for row in ROWS],
        arms={"prompt_only": arm("prompt_only", 1), "refusal_phrase": arm("refusal_phrase", 2)},
        attempts=attempts,
        settings=EvaluationSettings(),
    )


def test_half_of_a_balanced_test_is_known() -> None:
    found = balanced(result(), 0.75)
    assert found is not None
    assert found["n"] == 4
    assert found["base_precision"] == pytest.approx(0.5)
    assert found["base_known_kept"] == 1
    assert found["phrase_known_kept"] == pytest.approx(0.5)
    assert found["calibrated_precision"] == 1
    assert found["calibrated_known_kept"] == 1
    low, high = found["calibrated_precision_interval"]
    assert low < 1 <= high + 1e-9


def test_a_threshold_that_nothing_reaches_is_told_as_such() -> None:
    found = balanced(result(), 0.99)
    assert found is not None
    assert found["calibrated_answered"] == 0
    assert found["calibrated_precision"] is None
    without = balanced(result(), None)
    assert without is not None
    assert "calibrated_precision" not in without


def test_without_both_classes_there_is_no_balance() -> None:
    whole = result()
    assert balanced(whole.model_copy(update={"known": [True] * len(ROWS)}), 0.5) is None
