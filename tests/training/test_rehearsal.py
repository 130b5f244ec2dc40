from __future__ import annotations

from pathlib import Path

import pytest

from kg_builder.question import Question
from tests.training.test_mix import world
from tests.training.test_sft import SETTINGS, inputs
from training.errors import TrainingError
from training.label import LabelSettings
from training.language_pack import is_refusal
from training.probe import ProbeSettings
from training.rehearsal import (
    REASON,
    RehearsalSettings,
    rehearsal_examples,
    rehearse,
    without_gains,
)


def test_only_right_answers_are_rehearsed() -> None:
    questions, labels = world({"父亲": 30}, {"父亲": 30})
    examples = rehearsal_examples(questions, labels, RehearsalSettings(known=20))
    assert len(examples) == 20
    assert all(e.known and not is_refusal(e.completion) for e in examples)
    again = rehearsal_examples(questions, list(reversed(labels)), RehearsalSettings(known=20))
    assert again == examples
    assert len(rehearsal_examples(questions, labels, RehearsalSettings(known=None))) == 30


def test_nothing_known_nothing_to_rehearse() -> None:
    with pytest.raises(TrainingError, match="nothing to rehearse"):
        rehearsal_examples(*world({}, {"父亲": 3}), RehearsalSettings())


def test_gains_are_set_aside() -> None:
    _, labels = world({"父亲": 1}, {"父亲": 3})
    labels[3] = labels[3].model_copy(update={"p_correct": 0.1})
    ids = [one.question_id for one in labels]
    after = {ids[0]: 0.0, ids[1]: 0.3, ids[2]: 0.0, ids[3]: 0.1}
    found = without_gains(labels, after)
    assert [one.known for one in found] == [True, None, False, False]
    assert found[1].reason == REASON
    assert [one.known for one in without_gains(labels, after, gain=0.5)] == [
        True,
        False,
        False,
        False,
    ]
    assert without_gains(labels, {}) == labels


def test_a_real_rehearsal(miniature: Path, questions: list[Question], tmp_path: Path) -> None:
    _, _, labels = inputs(miniature, questions)
    short = SETTINGS.model_copy(update={"epochs": 3})
    settings = RehearsalSettings(known=None)

    def run() -> list:
        return rehearse(
            miniature,
            questions,
            labels,
            tmp_path,
            sft=short,
            probing=ProbeSettings(max_new_tokens=12, samples=2),
            judging=LabelSettings(),
            settings=settings,
            progress=False,
        )

    found = run()
    assert [one.question_id for one in found] == [one.question_id for one in labels]
    for before, after in zip(labels, found, strict=True):
        assert after == before or (before.known is False and after.reason == REASON)
    ledger = tmp_path / "probes.jsonl"
    asked = sum(one.known is False for one in labels)
    assert len(ledger.read_text().splitlines()) == 1 + asked
    written = ledger.stat().st_mtime_ns
    assert run() == found  # all of it is kept
    assert ledger.stat().st_mtime_ns == written
