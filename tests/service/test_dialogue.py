from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.dialogue import is_open, last_question, self_contained
from service.question_frame import LONGEST, frame

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "dialogue.jsonl")
    .read_text("utf-8")
    .splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["question"])
def test_the_cases(case: dict[str, object]) -> None:
    before, question = list(case["before"]), str(case["question"])  # type: ignore[call-overload]
    assert self_contained(question, before) == case["self_contained"]
    assert last_question([*before, question]) == (case["self_contained"] or question)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["法国的首都是哪里?", "那英国呢?"], "英国的首都是哪里?"),
        (["哪座城市是法国的首都?", "英国呢？"], "哪座城市是英国的首都?"),
        (["法国的首都是哪里?", "那英国呢?", "德国呢"], "德国的首都是哪里?"),
        (["法国的首都是哪里?", "那英国呢?", "货币呢?"], "英国的货币是什么?"),
        (["法国的首都是哪里?", "谢谢", "英国呢?"], "英国的首都是哪里?"),
        (["法国的首都是哪里?", "它的货币呢?"], "法国的货币是什么?"),
        (["法国的首都是哪里?", "那德国的货币呢?"], "德国的货币是什么?"),
        (["岳飞的儿子是谁?", "他的妻子是谁?"], "岳飞的妻子是谁?"),
        (["岳飞的妻子是谁?", "他儿子呢?"], "岳飞的儿子是谁?"),
        (["李清照的代表作是什么?", "她的丈夫是谁?"], "李清照的丈夫是谁?"),
        (["姚明的身高是多少?", "体重呢?"], "姚明的体重是多少?"),
        (["杜甫出生于哪一年?", "谁是他的妻子?"], "谁是杜甫的妻子?"),
        (["《红楼梦》的作者是谁?", "《西游记》呢?"], "《西游记》的作者是谁?"),
        (["岳飞的儿子是谁?", "其他将军的儿子是谁?"], "其他将军的儿子是谁?"),
        (["岳飞的儿子是谁?", "李白的字是什么?"], "李白的字是什么?"),
        (["法国的首都是哪里?", "岳飞和他的儿子是怎么死的?"], "岳飞和他的儿子是怎么死的?"),
        (["What is the capital of France?", "And Spain?"], "What is the capital of Spain?"),
        (["What is the capital of France?", "What about Spain?"], "What is the capital of Spain?"),
        (["What is the capital of France?", "And its area?"], "What is the area of France?"),
        (["What is the capital of France?", "Is it a republic?"], "Is France a republic?"),
        (["What is the capital of France?", "And who wrote Hamlet?"], "And who wrote Hamlet?"),
        (["What is the courtesy name of Li Bai?", "When did he die?"], "When did Li Bai die?"),
        (["Who wrote Hamlet?", "What about Spain?"], "What about Spain?"),  # no subject to replace
        (["你好", "岳云的父亲是?"], "岳云的父亲是?"),
        (["那英国呢?"], "那英国呢?"),
    ],
)
def test_the_last_question_is_made_self_contained(turns: list[str], expected: str) -> None:
    assert last_question(turns) == expected


@pytest.mark.parametrize(
    ("before", "question"),
    [
        ("岳飞的妻子是谁?", "她是哪里人?"),  # the one who was asked for
        ("《红楼梦》的作者是谁?", "他的字是什么?"),  # 他 is no book
        ("法国的首都是哪里?", "他呢?"),
        ("李白的字是什么?", "后来呢?"),
        ("李白的字是什么?", "你呢?"),
        ("李白的字是什么?", "真的吗?"),
        ("Who is the author of Hamlet?", "When was he born?"),
        ("Who is the wife of Barack Obama?", "Where was she born?"),
        ("What is the capital of France?", "And when?"),
    ],
)
def test_what_cannot_be_placed_is_left(before: str, question: str) -> None:
    assert self_contained(question, [before]) is None
    assert last_question([before, question]) == question


@pytest.mark.parametrize(
    ("question", "open_"),
    [
        ("他哪年去世的?", True),
        ("谁是她的父亲?", True),
        ("When did he die?", True),
        ("其他将军的儿子是谁?", False),
        ("吉他手是谁?", False),
        ("岳飞和他的儿子是怎么死的?", False),
        ("Is Madrid known for its museums?", False),
        ("岳云的父亲是谁?", False),
    ],
)
def test_a_pronoun_without_anything_it_could_mean_is_open(question: str, open_: bool) -> None:
    assert is_open(question) is open_


def test_long_questions_are_not_taken_apart() -> None:
    """What a rule would look at again and again, however long it is, is not looked at."""
    for piece in ("的", "他", "那", "and ", "a of ", "'s "):
        text = piece * 20_000
        assert len(text) > LONGEST
        assert frame(text) is None
        assert not is_open(text)
        assert last_question([text, text]) == text.strip()
        assert last_question([text] * 300 + ["那英国呢?"]) == "那英国呢?"
