"""Forty questions to systems with known behaviour, so that every figure can be counted by hand.

The base knows 0–15. The tuned model refuses 12–15 and 20–39; it is sure of 0–11 and, wrongly, of 16 and
17; of 18 (which it has right now) and 19 it is not. The library knows 10–29.
"""

from __future__ import annotations

from typing import Any

from eval.result import EvaluationResult
from eval.run import evaluate
from eval.settings import EvaluationSettings
from kg_builder.question import Question
from tests.eval.scripted import ScriptedAttempter, ScriptedModel, question
from tests.eval.world import Library

QUESTIONS = [question(i) for i in range(40)]
SETTINGS = EvaluationSettings(latency_questions=3, resamples=50, chunk=16)


def right(q: Question) -> str:
    return f"是{q.gold.text}。"


def script() -> dict[str, tuple[str, float, bool]]:
    said = {}
    for i, q in enumerate(QUESTIONS):
        known = i < 16 or i == 18
        confidence = 0.9 if i < 12 or i in (16, 17) else 0.4 if i < 20 else 0.1
        refuses = 12 <= i < 16 or i >= 20
        said[q.text] = (right(q) if known else "错了", confidence, refuses)
    return said


def run_small(**changes: Any) -> EvaluationResult:
    arguments: dict[str, Any] = {
        "questions": QUESTIONS,
        "base_model": ScriptedModel({q.text: right(q) for q in QUESTIONS[:16]}),
        "attempter": ScriptedAttempter(script()),
        "chain": Library(QUESTIONS[10:30]),
        "settings": SETTINGS,
        "progress": False,
    }
    return evaluate(**(arguments | changes))
