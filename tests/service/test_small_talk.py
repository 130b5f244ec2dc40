from __future__ import annotations

from typing import get_args

import pytest

from service.language_pack import LANGUAGES
from service.name_or_attribute import is_attribute, is_name
from service.small_talk import SmallTalk, reply, small_talk


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("你好!", "greeting"),
        ("你好,谢谢!", "thanks"),
        ("嗯，谢谢你啊", "thanks"),
        ("你是谁？", "identity"),
        ("你叫什么名字呀?", "identity"),
        ("再见", "farewell"),
        ("Hi there, how are you?", "greeting"),
        ("thank you so much!", "thanks"),
        ("Who are you?", "identity"),
        ("What can you do?", "ability"),
        ("ok", "remark"),
        ("你好,法国的首都是哪里?", None),
        ("谁是岳云的父亲?", None),
        ("法国", None),
        ("那英国呢?", None),
        ("货币呢?", None),
        ("Who was Hamlet?", None),
        ("Hello Kitty是谁设计的?", None),
        ("《你好,李焕英》的导演是谁?", None),
        ("好" * 10_000, None),
    ],
)
def test_small_talk(text: str, kind: SmallTalk | None) -> None:
    assert small_talk(text) == kind


def test_every_kind_has_a_reply_in_every_language() -> None:
    for kind in get_args(SmallTalk):
        assert len({reply(kind, language) for language in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.parametrize("name", ["英国", "西班牙", "李白", "《货币》", "Google", "长江"])
def test_names(name: str) -> None:
    assert is_name(name, "zh")
    assert not is_attribute(name, "zh")


@pytest.mark.parametrize("attribute", ["货币", "面积", "身高", "官方语言", "代表作", "妻子"])
def test_attributes(attribute: str) -> None:
    assert is_attribute(attribute, "zh")
    assert not is_name(attribute, "zh")
