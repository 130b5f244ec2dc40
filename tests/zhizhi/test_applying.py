from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kg_builder.errors import UserError
from kg_builder.files import write_jsonl
from tests.training.bundles import SPEC
from tests.training.conftest import invented_questions
from training.bundle import Bundle
from training.novelty import default_novelty
from zhizhi.applying import apply_to_run
from zhizhi.cli import app


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    Bundle.save(tmp_path / "bundle", SPEC, "card")
    write_jsonl(tmp_path / "graph" / "questions.jsonl", invented_questions())
    return tmp_path


def test_a_bundle_made_before_is_told_where_its_promise_ends(run: Path) -> None:
    before = Bundle.load(run / "bundle")
    assert before.applicability is None
    done = CliRunner().invoke(app, ["bundle", "applicability", str(run), "--json"])
    assert done.exception is None
    after = Bundle.load(run / "bundle")
    assert json.loads(done.stdout)["bundle"] == after.name != before.name
    assert after.applicability is not None
    assert after.applicability.novelty == default_novelty()
    question = invented_questions()[0]
    prepared = after.applicability.prepare(question.text)
    assert (prepared.text, prepared.objection) == (question.text, None)
    assert after.applicability.prepare("怎样烤面包?").objection == "outside_calibration"


def test_novelty_is_learnt_from_questions_of_ones_own(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "ours.jsonl"
    outside.write_text(
        "".join(json.dumps({"question": f"第{i}号窗口几点开门?"}) + "\n" for i in range(50)),
        "utf-8",
    )
    found = apply_to_run(run, [outside])
    assert found["novelty"]["outside"]["ours"] == 50
    applicability = Bundle.load(run / "bundle").applicability
    assert applicability is not None
    assert applicability.prepare("第七十号窗口几点开门?").objection == "outside_calibration"
    question = invented_questions()[0]
    assert applicability.prepare(question.text).objection is None


def test_a_file_without_questions_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"empty\.jsonl holds no question"):
        apply_to_run(run, [tmp_path / "empty.jsonl"])
