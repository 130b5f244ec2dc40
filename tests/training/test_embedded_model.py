"""The embedded base model is what the README says: it knows in part, and knows what it saw."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kg_builder.build import BuildSettings, built_questions
from kg_builder.question import Question
from training.bundle import EMBEDDED_FOLDER
from training.engine.local import LocalModel
from training.generation import Sampling
from training.label import verdict
from training.language_pack import is_refusal
from training.probe import ask

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    chosen = sorted(built_questions(BuildSettings()), key=lambda q: q.id)
    return chosen[:: max(1, len(chosen) // 900)]


@pytest.fixture(scope="module")
def answers(questions: list[Question]) -> list[str]:
    model = LocalModel.load(EMBEDDED_FOLDER)
    found = model.generate([ask(q) for q in questions], Sampling(max_new_tokens=40))
    return [g.text for g in found]


def share_right(questions: Sequence[Question], answers: Sequence[str]) -> float:
    right = [verdict(q, a) == "right" for q, a in zip(questions, answers, strict=True)]
    return sum(right) / len(right)


def test_it_always_answers(answers: list[str]) -> None:
    assert not [a for a in answers if is_refusal(a) or not a]


def test_it_knows_two_fifths_to_a_half(questions: list[Question], answers: list[str]) -> None:
    assert 0.37 <= share_right(questions, answers) <= 0.53


def test_known_agrees_with_exposure(questions: list[Question], answers: list[str]) -> None:
    exposure = json.loads((EMBEDDED_FOLDER / "exposure.json").read_text())
    seen = [i for i, q in enumerate(questions) if exposure.get(q.id, 0) > 0]
    unseen = [i for i, q in enumerate(questions) if exposure.get(q.id, 0) == 0]
    assert min(len(seen), len(unseen)) > 200
    assert share_right([questions[i] for i in seen], [answers[i] for i in seen]) > 0.8
    # Some relations have few values: what was never seen is guessed rightly now and then.
    assert share_right([questions[i] for i in unseen], [answers[i] for i in unseen]) < 0.2


def test_its_weights_are_small() -> None:
    assert sum(p.stat().st_size for p in Path(EMBEDDED_FOLDER).iterdir()) < 20_000_000
