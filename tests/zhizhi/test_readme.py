"""「Your own documents」 in both READMEs: its commands exist, and the handbook bears out its answer."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from kg_builder.files import read_jsonl
from kg_builder.matching import gold_of, matches
from retrieval.documents import read_files
from service.answer import Answer
from tests.commands import zhizhi

ROOT = Path(__file__).parents[2]
SECTIONS = {"README.md": "## Your own documents", "README.zh-CN.md": "## 用自己的文档"}
QUESTIONS = ROOT / "tests" / "data" / "handbook_questions.jsonl"


@pytest.fixture(params=SECTIONS)
def section(request: pytest.FixtureRequest) -> str:
    text: str = (ROOT / request.param).read_text(encoding="utf-8")
    return text.split(SECTIONS[request.param])[1].split("\n## ")[0]


def test_its_commands_exist(section: str) -> None:
    commands = re.findall(r"zhizhi ((?:serve|ask) [^`#\n]+)", section)
    assert len(commands) >= 4
    for command in commands:
        shown = zhizhi(*shlex.split(command), "--help")
        assert shown.returncode == 0, f"{command}: {shown.stderr}"


def test_its_answer_is_what_the_handbook_says(section: str) -> None:
    folder = re.search(r"serve --documents (\S+)", section)
    assert folder is not None
    documents = {found.document: found.passages for found in read_files([ROOT / folder[1]])}
    asked = json.loads(section.split("-d '")[1].split("'\n")[0])
    answer: dict[str, Any] = json.loads(section.split("```json\n")[1].split("```")[0])
    assert set(answer) <= {*Answer.model_fields}
    (expected,) = [
        record["expected"] for record in read_jsonl(QUESTIONS) if record["question"] == asked["question"]
    ]  # fmt: skip
    assert matches(answer["answer"], gold_of(expected)).verdict == "right"
    (citation,) = answer["citations"]
    passages = documents[citation["passage_id"].partition("#")[0]]
    assert citation["title"] == passages[0].title
    assert any(citation["quote"] in passage.text for passage in passages)
    assert answer["answer"] in citation["quote"]
    assert (citation["start"], citation["end"]) == (0, len(answer["answer"]))
    Answer(id="", question=asked["question"], **answer)
