"""Acceptance: a company's handbook, served by one command, answers what its employees ask.

The documents (tests/data/handbook) and the questions (tests/data/handbook_questions.jsonl) are prose that
nobody wrote for a reader's sake: two products with similar names, old and new rules, tables, similar
numbers, and questions that come near to something the documents tell and do not answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from kg_builder.files import read_jsonl
from kg_builder.matching import gold_of, matches
from retrieval.documents import read_files
from tests.zhizhi.documents import zhizhi_serve

DATA = Path(__file__).parents[1] / "data"
HANDBOOK = DATA / "handbook"
TARGET = 0.75  # share of the answerable questions that is to be answered rightly
REACHED = 0.18  # and what the reader that comes with the project reaches (docs/reading.md)

pytestmark = pytest.mark.slow


class Asked(NamedTuple):
    question: str
    expected: list[str] | None  # None: the documents do not tell
    answer: dict[str, Any]

    def shown(self) -> str:
        return f"{self.question} → {self.answer['answer']} (expected {self.expected})"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """Every question with what the service answers."""
    folder = tmp_path_factory.mktemp("handbook")
    records = list(read_jsonl(DATA / "handbook_questions.jsonl"))
    with (
        zhizhi_serve("--index", "runs/docs", "--documents", HANDBOOK, cwd=folder) as url,
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        answers = [client.post("v1/qa", json={"question": r["question"]}) for r in records]
    return [
        Asked(record["question"], record["expected"], answer.raise_for_status().json())
        for record, answer in zip(records, answers, strict=True)
    ]


def test_the_questions_are_enough() -> None:
    records = list(read_jsonl(DATA / "handbook_questions.jsonl"))
    answerable = [record["question"] for record in records if record["expected"]]
    assert len(records) >= 30
    assert len(answerable) >= 20
    assert len(records) - len(answerable) >= 8
    assert len([question for question in answerable if question.isascii()]) >= 5


def test_none_is_answered_wrongly(asked: list[Asked]) -> None:
    given = [one for one in asked if one.expected and one.answer["route"] != "refused"]
    assert [one.shown() for one in given if not is_right(one)] == []


def right_share(asked: list[Asked]) -> float:
    answerable = [one for one in asked if one.expected is not None]
    given = [one for one in answerable if one.answer["route"] != "refused"]
    return sum(map(is_right, given)) / len(answerable)


def test_as_many_are_answered_rightly_as_was_measured(asked: list[Asked]) -> None:
    assert right_share(asked) >= REACHED


@pytest.mark.xfail(reason="the reader that comes with the project does not reach it yet")
def test_most_are_answered_rightly(asked: list[Asked]) -> None:
    assert right_share(asked) >= TARGET


def test_what_the_documents_do_not_tell_is_refused_with_a_reason(asked: list[Asked]) -> None:
    null = [one for one in asked if one.expected is None]
    assert [one.shown() for one in null if one.answer["route"] != "refused"] == []
    for one in null:
        assert one.answer["reason"] in ("insufficient_evidence", "no_results"), one.question
        assert one.answer["explanation"]


def test_every_answer_is_cited_word_for_word(asked: list[Asked]) -> None:
    documents = {found.document: found.passages for found in read_files([HANDBOOK])}
    for one in asked:
        citations = one.answer["citations"]
        assert bool(citations) == (one.answer["route"] == "retrieval"), one.question
        for citation in citations:
            passages = documents[citation["passage_id"].partition("#")[0]]
            assert citation["title"] == passages[0].title
            assert any(citation["quote"] in passage.text for passage in passages)
            assert 0 <= citation["start"] < citation["end"] <= len(one.answer["answer"])


def test_no_answer_claims_a_model(asked: list[Asked]) -> None:
    for one in asked:
        assert one.answer["route"] in ("retrieval", "refused")
        assert one.answer["model"] == "retrieval-only"
        assert one.answer["abstention"] == "no_model"
        assert one.answer["operating_point"] is None


def is_right(one: Asked) -> bool:
    assert one.expected is not None
    gold = gold_of(one.expected)
    return matches(one.answer["answer"], gold, question=one.question).verdict == "right"
