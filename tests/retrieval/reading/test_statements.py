"""Examples made of a graph: what asserts a fact is answerable, what asks, denies or hedges it is not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from kg_builder.question import Gold, Language, Question
from kg_builder.relation import Catalogue, Relation
from retrieval.reading.dataset import ReadingExample
from retrieval.reading.statements import ANSWERING, SILENT, Statements, statement_pack

Facts = dict[str, dict[Language, dict[str, str]]]  # relation, language, subject: object

FACTS: Facts = {
    "capital": {
        "zh": {"雍国": "甲城", "凉国": "乙城", "越国": "丙城", "燕国": "丁城", "齐国": "戊城"},
        "en": {"Yongland": "Jia", "Liangland": "Yi", "Yueland": "Bing", "Yanland": "Ding"},
    },
    "currency": {
        "zh": {"雍国": "雍元", "凉国": "凉盾", "越国": "越铢", "燕国": "燕镑"},
        "en": {"Yongland": "yongo", "Liangland": "liango", "Yueland": "yueto", "Yanland": "yando"},
    },
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def relation_named(catalogue: Catalogue, english: str) -> Relation:
    return next(relation for relation in catalogue if relation.en == english)


def questions(catalogue: Catalogue, facts: Facts) -> list[Question]:
    made = []
    for english, by_language in facts.items():
        relation = relation_named(catalogue, english)
        for language, pairs in by_language.items():
            for subject, object_ in pairs.items():
                first, *others = (
                    wording.replace("{s}", subject) for wording in relation.questions(language)
                )
                made.append(
                    Question(
                        id=f"{english}/{language}/{subject}",
                        text=first,
                        language=language,
                        subject=subject,
                        subject_id=subject,
                        relation=relation.id,
                        topic=relation.topic(subject, language),
                        gold=Gold(objects=((object_,),)),
                        split="train",
                        paraphrases=tuple(others),
                    )
                )
    return made


def drawn(statements: Statements, count: int, seed: int = 0) -> list[ReadingExample]:
    rng = random.Random(seed)
    return [statements.draw(rng) for _ in range(count)]


@pytest.fixture(scope="module")
def examples(catalogue: Catalogue) -> list[ReadingExample]:
    return drawn(Statements(questions(catalogue, FACTS), catalogue), 1500)


def objects(facts: Sequence[Question]) -> set[str]:
    return {name for question in facts for names in question.gold.objects for name in names}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_way_to_speak_has_wordings(language: Language) -> None:
    pack = statement_pack(language)
    for kind in set(ANSWERING) | set(SILENT):
        if kind not in ("elided", "other_subject", "other_relation", "other_title"):
            assert getattr(pack, kind), kind


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", ["asserted", "answered", "corrected"])
def test_an_answering_wording_holds_the_object(language: Language, kind: str) -> None:
    for wording in getattr(statement_pack(language), kind):
        assert "{o}" in wording or "{t}" in wording, wording


def test_a_place_holds_an_object_of_the_question(
    examples: list[ReadingExample], catalogue: Catalogue
) -> None:
    held = questions(catalogue, FACTS)
    known = objects(held)
    for one in examples:
        if one.answerable:
            assert one.text[one.start : one.end] in known
        else:
            assert (one.start, one.end) == (-1, -1)


def test_about_half_is_answerable(examples: list[ReadingExample]) -> None:
    share = sum(one.answerable for one in examples) / len(examples)
    expected = sum(ANSWERING.values()) / sum((ANSWERING | SILENT).values())
    assert 0.35 < share < 0.65
    assert share == pytest.approx(expected, abs=0.05)


def test_nothing_is_left_to_be_filled_in(examples: list[ReadingExample]) -> None:
    for one in examples:
        for mark in ("{s}", "{p}", "{o}", "{x}", "{q}", "{t}"):
            assert mark not in one.question + one.title + one.text


def test_a_question_is_never_asked_of_a_text_in_the_other_language(
    examples: list[ReadingExample],
) -> None:
    for one in examples:
        assert one.question.isascii() == (one.title + one.text).isascii()


def test_the_object_belongs_to_the_relation_that_is_asked(
    examples: list[ReadingExample], catalogue: Catalogue
) -> None:
    held = questions(catalogue, FACTS)
    capitals = objects([q for q in held if q.relation == relation_named(catalogue, "capital").id])
    words = {"首都", "capital"}
    for one in examples:
        if one.answerable and any(word in one.question for word in words):
            assert one.text[one.start : one.end] in capitals


def test_subjects_nobody_has_are_asked_too(
    examples: list[ReadingExample], catalogue: Catalogue
) -> None:
    known = {text for q in questions(catalogue, FACTS) for text in (q.text, *q.paraphrases)}
    invented = [one for one in examples if one.question not in known]
    assert 0.2 < len(invented) / len(examples) < 0.6


def test_the_same_seed_draws_the_same(catalogue: Catalogue) -> None:
    held = questions(catalogue, FACTS)
    one, other = (drawn(Statements(held, catalogue), 50, seed=3) for _ in range(2))
    assert one == other
    assert one != drawn(Statements(held, catalogue), 50, seed=4)


def test_a_name_within_another_one_is_not_taken_for_the_answer(catalogue: Catalogue) -> None:
    facts: Facts = {
        "capital": {
            "en": {"Aland": "Rose", "Bland": "Rose", "Cland": "Tea Rose", "Dland": "Tea Rose"}
        }
    }
    statements = Statements(questions(catalogue, facts), catalogue)
    for one in drawn(statements, 800):
        if one.answerable and one.text[one.start : one.end] == "Rose":
            assert not one.text[: one.start].endswith("Tea "), one.text
