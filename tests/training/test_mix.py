from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg_builder.matching import matches
from kg_builder.question import Gold, Question
from training.errors import TrainingError
from training.label import Label
from training.language_pack import is_refusal, language_pack
from training.mix import MixSettings, mix

FIRST, SECOND = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳"


def world(known: dict[str, int], unknown: dict[str, int]) -> tuple[list[Question], list[Label]]:
    """So many known and unknown questions per relation."""
    questions, labels = [], []
    for is_known, counts in ((True, known), (False, unknown)):
        for relation, count in counts.items():
            for i in range(count):
                subject = f"{FIRST[i % 16]}{SECOND[i // 16 % 16]}{'是' if is_known else '否'}"
                identity = f"{relation}-{is_known}-{i}"
                questions.append(
                    Question(
                        id=identity,
                        text=f"{subject}的{relation}是?",
                        paraphrases=(f"谁是{subject}的{relation}?",),
                        language="zh",
                        subject=subject,
                        subject_id=identity,
                        relation=relation,
                        topic=f"{subject}的{relation}",
                        gold=Gold(objects=((f"答案{i}号",),)),
                        split="train",
                    )
                )
                labels.append(
                    Label(
                        question_id=identity,
                        known=is_known,
                        verdict="right" if is_known else "wrong",
                        answer=f"我记得是答案{i}号。" if is_known else "胡说八道。",
                        p_correct=float(is_known),
                        category="HighlyKnown" if is_known else "Unknown",
                    )
                )
    return questions, labels


def by_topic(refusal: str) -> str:
    """The topic that a refusal names."""
    return refusal.partition("“")[2].partition("”")[0]


def by_class(examples: list) -> dict[bool, Counter[str]]:
    found: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for example in examples:
        found[example.known][example.question_id.split("-")[0]] += 1
    return found


def test_one_to_one_by_default() -> None:
    examples = mix(*world({"父亲": 300}, {"父亲": 400}), MixSettings())
    assert Counter(e.known for e in examples) == {True: 200, False: 200}
    assert len({e.question_id for e in examples}) == 400


def test_paired_within_every_relation() -> None:
    questions, labels = world(
        {"父亲": 90, "母亲": 20, "字": 60}, {"父亲": 10, "母亲": 80, "字": 70}
    )
    found = by_class(mix(questions, labels, MixSettings(per_class=60)))
    assert found[True] == found[False]
    assert sum(found[True].values()) == 60


def test_what_pairs_cannot_give_is_filled_up() -> None:
    questions, labels = world({"父亲": 50, "母亲": 5}, {"父亲": 5, "母亲": 50})
    found = by_class(mix(questions, labels, MixSettings(per_class=40)))
    assert found[True] == {"父亲": 35, "母亲": 5}
    assert found[False] == {"父亲": 5, "母亲": 35}


def test_unpaired_takes_them_as_they_come() -> None:
    questions, labels = world({"父亲": 100}, {"父亲": 10, "母亲": 190})
    found = by_class(mix(questions, labels, MixSettings(per_class=100, paired=False)))
    assert found[True] == {"父亲": 100}
    assert found[False]["母亲"] > 80


@pytest.mark.parametrize(
    ("ratio", "known", "unknown"), [(1.0, 30, 30), (2.0, 15, 30), (0.5, 40, 20)]
)
def test_ratio(ratio: float, known: int, unknown: int) -> None:
    questions, labels = world({"父亲": 40}, {"父亲": 30})
    examples = mix(questions, labels, MixSettings(per_class=None, ratio=ratio))
    assert Counter(e.known for e in examples) == {True: known, False: unknown}


@given(
    seed=st.integers(0, 5),
    wordings=st.integers(1, 4),
    refusals=st.integers(1, 5),
    answers=st.sampled_from(["own", "fixed"]),
    ratio=st.sampled_from([0.3, 1.0, 3.0]),
    paired=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_an_unknown_question_never_comes_with_its_answer(
    seed: int, wordings: int, refusals: int, answers: str, ratio: float, paired: bool
) -> None:
    questions, labels = world({"父亲": 12, "母亲": 3}, {"父亲": 8, "母亲": 9})
    by_id = {q.id: q for q in questions}
    chosen = MixSettings.model_validate(
        {
            "seed": seed,
            "wordings": wordings,
            "refusals": refusals,
            "answers": answers,
            "ratio": ratio,
            "paired": paired,
        }
    )
    examples = mix(questions, labels, chosen)
    assert examples == mix(questions, list(reversed(labels)), chosen)  # order of labels is nothing
    for example in examples:
        question = by_id[example.question_id]
        assert question.subject in example.prompt
        if example.known:
            assert matches(example.completion, question.gold).verdict == "right"
            assert not is_refusal(example.completion)
        else:
            assert is_refusal(example.completion)
            assert question.gold.text not in example.completion
            assert question.topic in example.completion


def test_own_words_and_fixed_form() -> None:
    questions, labels = world({"父亲": 1}, {"父亲": 1})
    own = next(e for e in mix(questions, labels, MixSettings()) if e.known)
    fixed = next(e for e in mix(questions, labels, MixSettings(answers="fixed")) if e.known)
    assert own.completion == "我记得是答案0号。"
    assert fixed.completion == "赵甲是的父亲是答案0号。"
    assert own.prompt == language_pack("zh").prompt(questions[0].text)


def test_wordings_vary_and_the_experiments_own_comes_first() -> None:
    questions, labels = world({"父亲": 20}, {"父亲": 20})
    examples = mix(questions, labels, MixSettings(wordings=4, refusals=3))
    assert len(examples) == 160
    pack = language_pack("zh")
    for question in questions:
        own = [e for e in examples if e.question_id == question.id]
        assert len(own) == 4
        assert pack.prompt(question.text) in {e.prompt for e in own}
    assert len({e.prompt for e in examples}) > 80
    refusals = {pack.refusal(questions[20].topic, i) for i in range(3)}
    refused = {
        e.completion.replace(by_topic(e.completion), questions[20].topic)
        for e in examples
        if not e.known
    }
    assert refused == refusals


def test_one_refusal_wording_means_one() -> None:
    questions, labels = world({"父亲": 20}, {"父亲": 20})
    examples = mix(questions, labels, MixSettings(wordings=3))
    assert all(e.completion.startswith("我不知道和“") for e in examples if not e.known)


@pytest.mark.parametrize(
    ("known", "unknown", "word"), [({}, {"父亲": 3}, "known"), ({"父亲": 3}, {}, "unknown")]
)
def test_an_empty_class_is_told(known: dict, unknown: dict, word: str) -> None:
    with pytest.raises(TrainingError, match=f"None of the 3 training questions is {word} "):
        mix(*world(known, unknown), MixSettings())


def test_what_was_set_aside_is_not_taught() -> None:
    questions, labels = world({"父亲": 4}, {"父亲": 4})
    labels[0] = labels[0].model_copy(update={"known": None})
    taught = {e.question_id for e in mix(questions, labels, MixSettings())}
    assert labels[0].question_id not in taught


def test_labels_of_other_questions_are_ignored() -> None:
    questions, labels = world({"父亲": 4}, {"父亲": 4})
    taught = mix(questions[2:], labels, MixSettings(per_class=None))
    assert {e.question_id for e in taught} <= {q.id for q in questions[2:]}


def test_near_duplicates_with_opposite_labels_are_left_out() -> None:
    questions, labels = world({"父亲": 4}, {"父亲": 4})
    twin = questions[0].model_copy(
        update={"id": "twin", "subject_id": "twin", "subject": f"《{questions[0].subject}》"}
    )
    opposite = labels[4].model_copy(update={"question_id": "twin"})
    everything = MixSettings(per_class=None, near_duplicate=None)
    assert "twin" in {
        e.question_id for e in mix([*questions, twin], [*labels, opposite], everything)
    }
    strict = everything.model_copy(update={"near_duplicate": 0.8})
    taught = {e.question_id for e in mix([*questions, twin], [*labels, opposite], strict)}
    assert not taught & {"twin", questions[0].id}
    assert len(taught) == 6


def test_nothing_but_contradictions_is_told() -> None:
    questions, labels = world({"父亲": 1}, {"父亲": 1})
    questions[1] = questions[1].model_copy(update={"subject": questions[0].subject})
    with pytest.raises(TrainingError, match=r"No known question is left.*near_duplicate"):
        mix(questions, labels, MixSettings())


def test_a_topic_that_tells_the_answer_is_not_refused() -> None:
    questions, labels = world({"父亲": 3}, {"父亲": 3})
    questions[3] = questions[3].model_copy(
        update={"topic": "答案0号大学的城市"}  # gold: 答案0号
    )
    taught = {e.question_id for e in mix(questions, labels, MixSettings(per_class=None))}
    assert questions[3].id not in taught
