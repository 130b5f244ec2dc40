from __future__ import annotations

import random

import pytest

from kg_builder.question import Question
from kg_builder.relation import Catalogue
from training.base.corpus import FactWriter, ask, exposures, mark, practice
from training.base.settings import ExposureSettings
from training.language_pack import is_refusal, language_pack

SETTINGS = ExposureSettings()


def people(count: int, tiers: bool = True, start: int = 0) -> list[Question]:
    """``count`` subjects of five degrees of fame with three facts each."""
    from kg_builder.question import Gold

    return [
        Question(
            id=f"zh-{n}-{relation}",
            text=f"人物{n}的{relation}是?",
            language="zh",
            subject=f"人物{n}",
            subject_id=f"e{n}",
            relation=relation,
            topic=f"人物{n}的{relation}",
            gold=Gold(objects=((f"甲{n}",),)),
            split="train",
            popularity=float(n % 5) if tiers else None,
        )
        for n in range(start, start + count)
        for relation in ("father", "mother", "capital")
    ]


def test_exposures_are_deterministic_and_cover_everything() -> None:
    asked = people(200)
    record = exposures(asked, SETTINGS, seed=1)
    assert record == exposures(list(reversed(asked)), SETTINGS, seed=1)
    assert record.keys() == {q.id for q in asked}
    assert record != exposures(asked, SETTINGS, seed=2)
    seen = [n for n in record.values() if n]
    assert all(SETTINGS.fewest <= n <= SETTINGS.most for n in seen)


def test_further_facts_of_the_same_subjects_move_nothing() -> None:
    asked = people(200)
    fewer = [q for q in asked if q.relation != "mother"]
    record = exposures(asked, SETTINGS, seed=1)
    assert exposures(fewer, SETTINGS, seed=1) == {q.id: record[q.id] for q in fewer}


@pytest.mark.parametrize("tiers", [True, False])
def test_further_subjects_of_like_fame_move_nothing(tiers: bool) -> None:
    asked, more = people(200, tiers), people(200, tiers, start=200)
    record = exposures([*asked, *more], SETTINGS, seed=1)
    assert exposures(asked, SETTINGS, seed=1) == {q.id: record[q.id] for q in asked}


def test_the_same_fact_is_seen_as_often_in_either_language() -> None:
    asked = people(50)
    english = [q.model_copy(update={"id": f"en-{q.id}", "language": "en"}) for q in asked]
    record = exposures([*asked, *english], SETTINGS, seed=3)
    assert [record[q.id] for q in asked] == [record[q.id] for q in english]


def test_fame_decides_what_is_seen() -> None:
    asked = people(1000)
    record = exposures(asked, SETTINGS, seed=1)

    def share(tier: float) -> float:
        own = [record[q.id] for q in asked if q.popularity == tier]
        return sum(n > 0 for n in own) / len(own)

    assert share(0) < share(2) < share(4)
    subjects: dict[str, list[int]] = {}
    for question in asked:
        subjects.setdefault(question.subject_id, []).append(record[question.id])
    seen = sum(any(counts) for counts in subjects.values()) / len(subjects)
    assert seen == pytest.approx(SETTINGS.seen_share, abs=0.06)


def test_mark_varies_the_question_mark_only() -> None:
    rng = random.Random(0)
    found = {mark("岳云的父亲是?", rng) for _ in range(60)}
    assert found == {"岳云的父亲是?", "岳云的父亲是？", "岳云的父亲是"}
    assert mark("没有问号", rng) == "没有问号"


def test_ask_uses_every_wording_under_every_prompt(questions: list[Question]) -> None:
    rng = random.Random(0)
    pack = language_pack("zh")
    asked = {ask(questions[0], rng, pack) for _ in range(600)}
    bare = {text.rstrip("?？") for text in asked}
    wordings = [questions[0].text, *questions[0].paraphrases]
    assert bare == {
        pack.prompt(wording.rstrip("?？"), i)
        for wording in wordings
        for i in range(len(pack.prompts))
    } | {text for text in bare if text.endswith("\n答案:")}


def test_facts_are_told_rightly_in_many_words(questions: list[Question]) -> None:
    rng = random.Random(0)
    writer = FactWriter(Catalogue.load(), statement_share=0.4)
    question = questions[0]
    examples = [writer.example(question, rng) for _ in range(400)]
    for example in examples:
        whole = example.prompt + example.completion
        assert "岳清" in whole
        assert "岳山" in whole
        assert "{" not in whole
        assert not is_refusal(example.completion)
        # the loss falls on the answer in every question, on the object in every statement
        assert example.chat is False or "岳山" in example.completion
    share = sum(not e.chat for e in examples) / len(examples)
    assert share == pytest.approx(0.4, abs=0.08)
    assert len({*examples}) > 60


def test_only_three_objects_are_told(questions: list[Question]) -> None:
    gold = questions[0].gold.model_copy(update={"objects": (("甲",), ("乙",), ("丙",), ("丁",))})
    many = questions[0].model_copy(update={"gold": gold})
    text = FactWriter(Catalogue.load(), 0.0).example(many, random.Random(0)).completion
    assert "甲、乙、丙" in text
    assert "丁" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_practice_refuses_a_question(language: str) -> None:
    words = practice(language)  # type: ignore[arg-type]
    told = [*words.answers, *words.topic_answers, *words.restatements, *words.copies]
    assert not [text for text in told if is_refusal(text)]
    assert not any("?" in user for user, answer in words.small_talk if is_refusal(answer))
