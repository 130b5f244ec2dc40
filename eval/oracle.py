"""The oracle: the best that any routing could do with the same model and the same retrieval."""

from __future__ import annotations

from eval.record import Record
from eval.result import ArmResult, EvaluationResult


def oracle(result: EvaluationResult) -> ArmResult | None:
    """Answers directly where that is right, retrieves where only that is, and refuses the rest.

    No system reaches it; the distance to it is what better routing could still gain. None where the
    attempts or the always_retrieve arm are missing.
    """
    right = result.attempts_right()
    always = result.arms.get("always_retrieve")
    if right is None or always is None:
        return None
    records = []
    for question, attempt, direct, found in zip(
        result.questions, result.attempts, right, always.records, strict=True
    ):
        if direct:
            records.append(
                Record(question_id=question.id, verdict="correct", text=attempt.text, lm_calls=1)
            )
        elif found.verdict == "correct":
            records.append(found)
        else:
            records.append(
                Record(
                    question_id=question.id, verdict="refused", text="", route="refused", lm_calls=1
                )
            )
    return ArmResult(name="oracle", records=records)
