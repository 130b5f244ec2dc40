"""zhizhi bundle: mistakes are named; what is certified is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from kg_builder.errors import UserError
from kg_builder.question import Question
from retrieval.evidence import Reading
from tests.training.bundles import SPEC
from tests.training.conftest import invented_questions
from training.attempt import Attempt
from training.calibrate import CalibrationSettings
from training.errors import BundleError
from training.generation import Generation
from training.routed_certificate import routed_points
from zhizhi.certifying import direct_answers, look_up
from zhizhi.cli import app


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["merge", "nowhere"], BundleError),
        (["inspect", "nowhere"], BundleError),
        (["certify", "--run", "nowhere"], UserError),
    ],
)
def test_what_is_not_there_is_named(arguments: list[str], fault: type[UserError]) -> None:
    found = CliRunner().invoke(app, ["bundle", *arguments])
    assert isinstance(found.exception, fault)
    assert "nowhere" in str(found.exception)


class Knowing:
    """Knows every second question, and is sure of those."""

    name = "knowing"
    spec = SPEC

    def __init__(self, questions: list[Question]) -> None:
        self._answers = {q.text: (q.gold.text, i % 2 == 0) for i, q in enumerate(questions)}

    def attempt(self, questions: list[str]) -> list[Attempt]:
        made = []
        for question in questions:
            gold, known = self._answers[question]
            made.append(
                Attempt(
                    text=gold if known else "错",
                    refused=not known,
                    refusal_text="" if known else "我不知道。",
                    confidence=0.9 if known else 0.2,
                    signals={},
                    generation=Generation(text=gold if known else "错"),
                )
            )
        return made


class Library:
    """Reads the right answer on fathers, nothing on capitals."""

    name = "library"

    def __init__(self, questions: list[Question]) -> None:
        self._gold = {q.text: q.gold.text for q in questions if q.relation == "father"}

    def answer(self, question: str, *, sources: str, deadline: float | None = None) -> Reading:
        assert sources == "index"
        return Reading(answer=self._gold.get(question), confidence=0.9)


def test_both_routes_are_certified_together() -> None:
    questions = invented_questions()
    direct = direct_answers(Knowing(questions), questions)  # type: ignore[arg-type]
    library: Any = Library(questions)
    found = look_up(library, questions, direct, 24, progress=False)
    assert direct.right.tolist() == [i % 2 == 0 for i in range(24)]
    assert np.isfinite(found.retrieved.confidence).tolist() == [True] * 12 + [False] * 12
    settings = CalibrationSettings(targets=(0.6,), profiles={"webqa": 0.6})
    for point in routed_points(direct, direct, (found, found), settings):
        assert point.certified
        assert point.n == 12
        # 12 fathers in the library are enough over all questions, the 6 that the model does not know are not
        assert point.retrieved is None
    few = look_up(library, questions, direct, 10, progress=False)
    assert few.retrieved.n == few.direct.n == 10
