import pytest

from kg_builder.question import Question
from training.near import conflicting, pairs


def about(like: Question, identity: str, subject: str, relation: str | None = None) -> Question:
    return like.model_copy(
        update={"id": identity, "subject": subject, "relation": relation or like.relation}
    )


def alike(a: str, b: str) -> float:
    return len(pairs(a) & pairs(b)) / len(pairs(a) | pairs(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("岳云", "岳 云"),
        ("北京大学", "「北京大学」"),
        ("Yao Ming", "YAO MING"),
        ("Ｙａｏ", "yao"),
        ("约翰·史密斯", "约翰史密斯"),
    ],
)
def test_width_case_and_punctuation_do_not_count(a: str, b: str) -> None:
    assert pairs(a) == pairs(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("岳云", "岳飞"),
        ("第一次世界大战", "第二次世界大战"),
        ("1988年夏季奥林匹克运动会", "1984年夏季奥林匹克运动会"),
        ("河南省", "湖南省"),
    ],
)
def test_different_things_of_one_kind_are_not_duplicates(a: str, b: str) -> None:
    assert alike(a, b) < 0.8


def test_both_sides_of_a_conflict_go(questions: list[Question]) -> None:
    like = questions[0]
    known = [about(like, "k1", "约翰·史密斯"), about(like, "k2", "岳云")]
    unknown = [about(like, "u1", "约翰史密斯"), about(like, "u2", "岳飞")]
    assert conflicting(known, unknown, 0.8) == {"k1", "u1"}


def test_only_the_same_relation_conflicts(questions: list[Question]) -> None:
    like = questions[0]
    known, unknown = [about(like, "k", "岳云")], [about(like, "u", "岳云", "mother")]
    assert conflicting(known, unknown, 0.8) == set()
    assert conflicting(known, [about(like, "u", "岳云")], 0.8) == {"k", "u"}


def test_a_name_without_a_letter_is_still_a_name(questions: list[Question]) -> None:
    assert pairs("《》") != pairs("「」")
    assert conflicting([about(questions[0], "k", "!!")], [about(questions[0], "u", "!!")], 0.8)
