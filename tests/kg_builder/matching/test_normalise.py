import unicodedata

import pytest
from opencc import OpenCC

from kg_builder.matching.normalise import fold, plain

_CHARACTERS = [
    chr(code) for low, high in ((0x3400, 0x4DC0), (0x4E00, 0xA000)) for code in range(low, high)
]


@pytest.mark.parametrize("name", ["s2t", "s2tw", "s2hk", "t2s", "tw2s", "hk2s"])
def test_every_ideograph_folds_like_its_conversion(name):
    convert = OpenCC(name).convert
    converted = convert("\n".join(_CHARACTERS)).split("\n")
    assert [c for c, d in zip(_CHARACTERS, converted, strict=True) if fold(c) != fold(d)] == []


def test_every_character_folds_like_its_other_cases_and_widths():
    different = []
    for code in (
        *range(0x3000),
        *range(0xA640, 0xABC0),
        *range(0xF900, 0x10000),
        *range(0x10400, 0x10500),
    ):
        character = chr(code)
        others = (
            character.upper(),
            character.lower(),
            character.title(),
            unicodedata.normalize("NFKC", character),
            unicodedata.normalize("NFD", character),
        )
        if any(fold(other) != fold(character) for other in others):
            different.append(character)
    assert different == []


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("阿尔伯特·爱因斯坦", " 阿 尔 伯 特 爱 因 斯 坦 "),
        ("《紅樓夢》", " 红 楼 梦 "),
        ("Wilhelm Röntgen", " wilhelm rontgen "),
        ("1,000,000", " 1000000 "),
        ("3.5", " 3.5 "),
        ("C++ 与 C#", " c++ 与 c# "),
        ("+86", " 86 "),
        ("R&D", " r and d "),
        ("が", " か\u3099 "),
        ("……", " "),
    ],
)
def test_fold(text, folded):
    assert fold(text) == folded


def test_plain_keeps_punctuation():
    assert plain("他說：「Ｏ’Brien」，1,000！") == '他说:"o\'brien",1000!'
