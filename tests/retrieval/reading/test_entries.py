"""Texts written around questions about triples."""

from __future__ import annotations

from retrieval.reading.dataset import located
from retrieval.reading.entries import SILENT, Triple, entries

TRIPLES = [
    Triple(f"{name}{asked}", name, relation, f"{value}{number}")
    for number, name in enumerate(f"{head}{tail}" for head in "临海山河" for tail in "江州城镇")
    for asked, relation, value in (
        ("是谁写的?", "作者", "顾长风"),
        ("谁翻译的?", "译者", "沈牧川"),
        ("哪年出的?", "出版时间", "19"),
    )
]


def test_the_same_seed_gives_the_same_entries() -> None:
    assert entries(TRIPLES, 1) == entries(TRIPLES, 1) != entries(TRIPLES, 2)


def test_every_question_is_asked_once_of_its_subject() -> None:
    made = entries(TRIPLES)
    assert [p.questions[0].text for p in made] == [t.question for t in TRIPLES]
    assert [p.title for p in made] == [t.subject for t in TRIPLES]


def test_an_entry_states_the_answer_or_has_no_answers() -> None:
    made = [
        (passage, passage.questions[0], triple)
        for passage, triple in zip(entries(TRIPLES), TRIPLES, strict=True)
    ]
    stated = [one for one in made if one[1].answers]
    for passage, question, triple in stated:
        found = located(passage, question)
        assert found is not None
        assert found.text[found.start : found.end] == triple.object
    silent = [one for one in made if not one[1].answers]
    assert 0 < len(silent) < 2 * SILENT * len(made)
    assert all(triple.object not in passage.text for passage, _, triple in silent)


def test_relations_that_are_named_alike_stand_beside() -> None:
    made = entries(TRIPLES)
    asked = [p for p, t in zip(made, TRIPLES, strict=True) if t.relation == "作者"]
    assert any("译者" in passage.text for passage in asked)


def test_what_cannot_be_told_is_left_out() -> None:
    assert (
        entries(
            [
                Triple("q", "s", "p", ""),
                Triple("q", "s", "", "o"),
                Triple("q", "s", "p", "长" * 100),
            ]
        )
        == []
    )
