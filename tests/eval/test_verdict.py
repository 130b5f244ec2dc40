from __future__ import annotations

import pytest

from eval.record import Record, Reply
from eval.verdict import Verdict, judge
from service.answer import Answer
from tests.eval.scripted import question


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("国家001的首都是巴黎。", "correct"),
        ("伦敦", "wrong"),
        ("", "wrong"),
        ("我不知道和“国家001的首都”相关的信息。", "refused"),
        ("我不知道。可能是巴黎。", "refused"),
        ("I don't know.", "refused"),
        (None, "unscored"),
    ],
)
def test_judge(text: str | None, expected: Verdict) -> None:
    assert judge(question(1, "巴黎"), text) == expected


def _answer(**fields: object) -> Answer:
    return Answer.model_validate(
        {
            "id": "1",
            "question": "?",
            "answer": "无可奉告",
            "route": "refused",
            "model": "m",
            **fields,
        }
    )


def test_the_route_refused_is_a_refusal_in_whatever_words() -> None:
    reply = Reply.of_answer(_answer(answer="巴黎还是伦敦?", reason="no_results"))
    assert Record.of(question(1, "巴黎"), reply).verdict == "refused"


@pytest.mark.parametrize("reason", ["model_unavailable", "search_unavailable", "deadline_exceeded"])
def test_an_outage_is_not_a_refusal(reason: str) -> None:
    record = Record.of(question(1, "巴黎"), Reply.of_answer(_answer(reason=reason)))
    assert record.verdict == "unscored"
    assert record.error


def test_retrieval_is_counted_when_it_ran() -> None:
    assert Reply.of_answer(_answer(timings_ms={"direct": 1, "retrieval": 2})).retrieved
    assert not Reply.of_answer(_answer(timings_ms={"direct": 1, "total": 1})).retrieved
