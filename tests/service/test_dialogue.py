from __future__ import annotations

import pytest

from service.dialogue import last_question


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["法国的首都是哪里?", "那英国呢?"], "英国的首都是哪里?"),
        (["哪座城市是法国的首都?", "英国呢？"], "哪座城市是英国的首都?"),
        (["法国的首都是哪里?", "那英国呢?", "德国呢"], "德国的首都是哪里?"),
        (["岳飞的儿子是谁?", "他的妻子是谁?"], "岳飞的妻子是谁?"),
        (["岳飞的儿子是谁?", "其他将军的儿子是谁?"], "其他将军的儿子是谁?"),
        (["岳飞的儿子是谁?", "李白的字是什么?"], "李白的字是什么?"),
        (["What is the capital of France?", "And Spain?"], "What is the capital of Spain?"),
        (["What is the capital of France?", "What about Spain?"], "What is the capital of Spain?"),
        (["What is the capital of France?", "And who wrote Hamlet?"], "And who wrote Hamlet?"),
        (["Who is Hamlet's author?", "What is his name?"], "What is Hamlet's name?"),
        (["Who wrote Hamlet?", "What about Spain?"], "What about Spain?"),  # no subject to replace
        (["你好", "岳云的父亲是?"], "岳云的父亲是?"),
        (["那英国呢?"], "那英国呢?"),
    ],
)
def test_the_last_question_is_made_self_contained(turns: list[str], expected: str) -> None:
    assert last_question(turns) == expected
