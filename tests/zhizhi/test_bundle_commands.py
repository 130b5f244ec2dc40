"""zhizhi bundle: mistakes are named; what is certified is told."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from kg_builder.errors import UserError
from kg_builder.question import Question
from retrieval.evidence import Reading
from tests.training.bundles import SPEC
from tests.training.conftest import invented_questions
from training.attempt import Attempt
from training.certificate import certify_jointly
from training.errors import BundleError
from training.generation import Generation
from zhizhi.certifying import outcomes
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
        return Reading(answer=self._gold.get(question), reason=None)


def test_outcomes_of_both_ways_are_certified_together() -> None:
    questions = invented_questions()
    found = outcomes(Knowing(questions), Library(questions), questions, progress=False)  # type: ignore[arg-type]
    assert found.direct == tuple(i % 2 == 0 for i in range(24))
    assert found.retrieved == (True,) * 12 + (None,) * 12
    point = certify_jointly(0.8, found, found, 0.1)
    assert point.certified
    # 12 known directly, of the other 12 the six fathers by retrieval
    assert (point.n, point.precision, point.coverage, point.direct) == (18, 1.0, 0.75, 0.5)
    assert json.loads(point.model_dump_json())["threshold"] == 0.9
