import json
from pathlib import Path

from kg_builder.build import BuildSettings, build
from kg_builder.files import read_jsonl
from kg_builder.passage import Passage
from kg_builder.question import Question


def test_a_build_writes_questions_passages_and_a_report(tmp_path: Path) -> None:
    report = build(BuildSettings(languages=("zh", "en")), tmp_path)
    questions = [Question.model_validate(q) for q in read_jsonl(tmp_path / "questions.jsonl")]
    passages = [Passage.model_validate(p) for p in read_jsonl(tmp_path / "passages.jsonl")]
    assert len(questions) == report.questions > 0
    assert {q.language for q in questions} == {"zh", "en"}
    assert passages
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert told["questions"] == len(questions)


def test_the_same_build_is_not_done_twice(tmp_path: Path) -> None:
    assert not build(BuildSettings(), tmp_path).skipped
    assert build(BuildSettings(), tmp_path).skipped
    assert not build(BuildSettings(seed=1), tmp_path).skipped
