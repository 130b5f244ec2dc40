"""What the span reader learns from: varied examples whose places still hold the answers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.reading.dataset import ReadingExample, ReadingPassage, ReadingQuestion
from retrieval.reading.mixture import Mixture, MixtureSettings, slip

PATIENT = settings(deadline=None)  # the first example loads dictionaries
PASSAGES = [
    ReadingPassage(
        "临江",
        "临江位于东海道。临江的城墙建于1432年。临江的市花是茉莉,城里人人爱它。",
        (
            ReadingQuestion("临江位于哪里?", ("东海道",)),
            ReadingQuestion("临江的城墙建于哪一年?", ("1432年", "1432")),
            ReadingQuestion("临江的市长是谁?", ("不在文中",)),
        ),
    ),
    ReadingPassage(
        "海宁城",
        "海宁城位于北山道。海宁城的城墙建于1502年。海宁城的市花是牡丹,城里人人爱它。",
        (ReadingQuestion("海宁城的市花是什么?", ("牡丹",)),),
    ),
    ReadingPassage(
        "Linjiang",
        "Linjiang is a port. Its wall was built in 1432. Its flower is the jasmine.",
        (ReadingQuestion("When was the wall of Linjiang built?", ("1432",)),),
    ),
    ReadingPassage(
        "Haining",
        "Haining is a port. Its wall was built in 1502. Its flower is the peony.",
        (ReadingQuestion("What is the flower of Haining?", ("the peony", "peony")),),
    ),
]
PLAIN = MixtureSettings(
    neighbour=0, without_sentence=0, other_subject=0, exchanged=0, repeated=0,
    sentence_alone=0, title=1, slip=0, lower=0, statements=0, claims=0,
)  # fmt: skip
ASKED = [(place, number) for place, p in enumerate(PASSAGES) for number in range(len(p.questions))]


def only(**shares: float) -> Mixture:
    return Mixture(PASSAGES, settings=PLAIN.model_copy(update=shares))


def draws(mixture: Mixture, passage: int, question: int, count: int = 40) -> list[ReadingExample]:
    rng = random.Random(0)
    found = [mixture.draw(passage, question, rng) for _ in range(count)]
    return [one for one in found if one is not None]


def test_questions_are_told_apart_by_language() -> None:
    mixture = only()
    assert mixture.questions == {True: [(0, 0), (0, 1), (0, 2), (1, 0)], False: [(2, 0), (3, 0)]}
    assert mixture.titles == {True: ["临江", "海宁城"], False: ["Linjiang", "Haining"]}


def test_without_any_variation_the_question_is_asked_of_its_passage() -> None:
    passage = PASSAGES[0]
    assert (
        draws(only(), 0, 1, 3)
        == [ReadingExample("临江的城墙建于哪一年?", "临江", passage.text, 15, 20)] * 3
    )


def test_an_answer_that_does_not_stand_there_gives_no_example() -> None:
    assert only(neighbour=1).draw(0, 2, random.Random(0)) is None


@pytest.mark.parametrize(("place", "number"), [(0, 1), (1, 0), (2, 0), (3, 0)])
def test_a_neighbour_is_another_passage_of_the_language_without_the_answer(
    place: int, number: int
) -> None:
    other = {0: 1, 1: 0, 2: 3, 3: 2}[place]
    for one in draws(only(neighbour=1), place, number):
        assert not one.answerable
        assert (one.title, one.text) == (PASSAGES[other].title, PASSAGES[other].text)
        assert one.question == PASSAGES[place].questions[number].text


def test_where_no_neighbour_lacks_the_answer_the_passage_itself_is_read() -> None:
    twins = [
        ReadingPassage("甲", "城墙建于1432年。", (ReadingQuestion("城墙建于何时?", ("1432年",)),)),
        ReadingPassage("乙", "城墙也建于1432年。", ()),
    ]
    mixture = Mixture(twins, settings=PLAIN.model_copy(update={"neighbour": 1.0}))
    found = mixture.draw(0, 0, random.Random(0))
    assert found is not None
    assert found.answerable


def test_without_the_sentence_that_answers_nothing_does() -> None:
    for one in draws(only(without_sentence=1), 0, 1):
        assert not one.answerable
        assert one.text == "临江位于东海道。临江的市花是茉莉,城里人人爱它。"


def test_a_passage_that_would_be_too_short_keeps_its_sentence() -> None:
    short = [ReadingPassage("甲", "城墙建于1432年。好。", (ReadingQuestion("何时?", ("1432年",)),))]
    mixture = Mixture(short, settings=PLAIN.model_copy(update={"without_sentence": 1.0}))
    found = mixture.draw(0, 0, random.Random(0))
    assert found is not None
    assert found.answerable


def test_another_subject_is_asked_about() -> None:
    found = draws(only(other_subject=1), 0, 1)
    assert {one.question for one in found} == {"海宁城的城墙建于哪一年?", "临江的城墙建于哪一年?"}
    for one in found:
        assert one.text == PASSAGES[0].text
        assert one.answerable == ("临江" in one.question)


def test_a_word_is_exchanged_in_the_question_or_in_the_passage() -> None:
    plain = draws(only(), 0, 1, 1)[0]
    asked, told = 0, 0
    for one in draws(only(exchanged=1), 0, 1, 200):
        if one.answerable:  # no other word could take its place
            assert one == plain
        elif one.question != plain.question:
            assert (one.title, one.text) == (plain.title, plain.text)
            asked += 1
        else:
            assert one.text != plain.text
            assert "1432年" in one.text
            told += 1
    assert asked > 20
    assert told > 20


def test_a_question_that_is_merely_repeated_is_not_answered() -> None:
    found = draws(only(repeated=1), 0, 1, 120)
    answered = [one for one in found if one.answerable]
    assert 20 < len(answered) < 60  # a third
    for one in found:
        assert one.question in one.text
        assert PASSAGES[0].text not in one.text
        if one.answerable:
            assert one.text[one.start : one.end] == "1432年"
            assert one.start >= one.text.index(one.question) + len(one.question)
        else:
            assert "1432" not in one.text


def test_a_sentence_is_read_alone() -> None:
    for one in draws(only(sentence_alone=1), 0, 1):
        assert one.text == "临江的城墙建于1432年。"
        assert one.text[one.start : one.end] == "1432年"


def test_the_title_stays_as_often_as_it_should() -> None:
    titles = [one.title for one in draws(only(title=0.6), 0, 1, 200)]
    assert set(titles) == {"", "临江"}
    assert 90 < titles.count("临江") < 150


def test_slips_change_the_question_alone() -> None:
    for one in draws(only(slip=1), 0, 1):
        assert one._replace(question="") == draws(only(), 0, 1, 1)[0]._replace(question="")
        assert abs(len(one.question) - len("临江的城墙建于哪一年?")) <= 1


@PATIENT
@given(st.sampled_from(ASKED), st.integers(0, 10**6))
def test_a_place_always_holds_an_answer(asked: tuple[int, int], seed: int) -> None:
    place, number = asked
    one = MIXED.draw(place, number, random.Random(seed))
    answers = PASSAGES[place].questions[number].answers
    if one is None:
        assert answers == ("不在文中",)
    elif one.answerable:
        assert one.text[one.start : one.end] in answers
    else:
        assert (one.start, one.end) == (-1, -1)


MIXED = Mixture(
    PASSAGES,
    settings=MixtureSettings(
        neighbour=0.1, without_sentence=0.1, other_subject=0.2, exchanged=0.2,
        repeated=0.1, sentence_alone=0.1, slip=0,
    ),
)  # fmt: skip


@given(st.text(min_size=2, max_size=20), st.integers(0, 10**6))
def test_a_slip_is_one_character(text: str, seed: int) -> None:
    slipped = slip(text, random.Random(seed))
    doubled = {text[:i] + text[i] + text[i:] for i in range(len(text))}
    dropped = {text[:i] + text[i + 1 :] for i in range(len(text))}
    swapped = {text[:i] + text[i + 1] + text[i] + text[i + 2 :] for i in range(len(text) - 1)}
    assert slipped in doubled | dropped | swapped


def test_all_kinds_of_slips_happen() -> None:
    found = {slip("临江", random.Random(seed)) for seed in range(40)}
    assert found == {"江", "临临江", "江临"}


def test_a_question_without_answers_is_not_answered() -> None:
    passage = ReadingPassage("临江", "临江位于东海道。", (ReadingQuestion("临江的市长是谁?", ()),))
    [example] = {Mixture([passage], settings=PLAIN).draw(0, 0, random.Random(n)) for n in range(5)}
    assert example is not None
    assert not example.answerable
    assert example.text == passage.text


def test_a_claim_is_answered_where_the_text_bears_it_out() -> None:
    found = draws(only(claims=1.0), 0, 1)
    question = PASSAGES[0].questions[1].text
    true = [e for e in found if e.question.startswith(question) and e.answerable]
    false = [e for e in found if not e.answerable]
    assert true
    assert false
    assert all("1432" in e.question and e.text[e.start : e.end].startswith("1432") for e in true)


def test_questions_are_typed_without_capitals() -> None:
    [example] = {e.question for e in draws(only(lower=1.0), 2, 0)}
    assert example == "when was the wall of linjiang built?"
