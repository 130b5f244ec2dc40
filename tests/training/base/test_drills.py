from __future__ import annotations

import random

import pytest

from kg_builder.question import Question
from kg_builder.relation import Catalogue
from training.base.corpus import FactWriter, practice
from training.base.drills import Drills, splice


@pytest.fixture
def drills(questions: list[Question]) -> Drills:
    alphabet = "".join(sorted({c for q in questions for c in q.subject + q.gold.text}))
    return Drills(questions, FactWriter(Catalogue.load(), 0.3), alphabet)


def test_names_are_nobodys(drills: Drills, questions: list[Question]) -> None:
    rng = random.Random(0)
    real = {q.subject for q in questions}
    made = [drills.name(rng.choice(questions), rng) for _ in range(3000)]
    assert not real & {*made}
    assert all(1 < len(name) < 16 for name in made)


def test_even_where_every_splice_is_somebody(questions: list[Question]) -> None:
    # 甲甲, 甲乙, 乙甲, 乙乙 all exist: splicing and the alphabet itself can hardly avoid them
    like = questions[0]
    asked = [
        like.model_copy(update={"id": name, "subject": name, "subject_id": name})
        for name in ("甲甲", "甲乙", "乙甲", "乙乙")
    ]
    drills = Drills(asked, FactWriter(Catalogue.load(), 0.3), "甲乙")
    rng = random.Random(1)
    for _ in range(500):
        assert drills.name(asked[0], rng) not in drills.real
        assert not drills.real & {drills.copy(rng).completion.strip("“”")}


def test_no_drill_tells_of_anybody_real(drills: Drills, questions: list[Question]) -> None:
    rng = random.Random(2)
    facts = {(q.subject, q.gold.text) for q in questions}
    for _ in range(400):
        invented = drills.invented(rng)
        assert invented.subject not in drills.real
        assert invented.subject in invented.text
        assert invented.subject in invented.topic
        assert (invented.subject, invented.gold.text) not in facts


def test_copies_are_faithful(drills: Drills) -> None:
    rng = random.Random(3)
    for _ in range(300):
        example = drills.copy(rng)
        text = example.completion.strip("“”")
        assert text
        assert text in example.prompt


def test_restating_names_the_topic_not_an_answer(drills: Drills) -> None:
    rng = random.Random(4)
    for _ in range(200):
        example = drills.restate(rng)
        topic = example.completion.partition("“")[2].partition("”")[0]
        subject = topic.partition("的")[0]
        assert subject in example.prompt
        assert subject not in drills.real


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_reading_is_answered_from_its_passages(drills: Drills, level: float) -> None:
    rng = random.Random(5)
    unanswerable = practice("zh").reading_unanswerable
    examples = [drills.read(rng, level) for _ in range(400)]
    refused = 0
    for example in examples:
        if example.completion == unanswerable:
            refused += 1
            continue
        answer, _, number = example.completion.rstrip("]").rpartition("[")
        passage = next(
            line for line in example.prompt.split("\n") if line.startswith(f"[{number}]")
        )
        assert answer in passage
    assert refused / len(examples) == pytest.approx(0.3 * min(1.0, 2 * level), abs=0.08)


def test_drills_repeat_with_the_seed(drills: Drills) -> None:
    assert [drills.read(random.Random(6), 1.0) for _ in range(3)] == [
        drills.read(random.Random(6), 1.0) for _ in range(3)
    ]


def test_splice_keeps_latin_words_whole() -> None:
    rng = random.Random(7)
    for _ in range(100):
        words = splice("Johann Sebastian Bach", "Yo Yo Ma", rng).split(" ")
        assert {*words} <= {"Johann", "Sebastian", "Bach", "Yo", "Ma"}
        assert words[0] == "Johann"
        assert words[-1] == "Ma"
