"""Properties that hold for whatever text there is."""

import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from kg_builder.matching import gold_of, matches
from kg_builder.matching.normalise import fold
from kg_builder.question import Gold

_CONVERT = [OpenCC(name).convert for name in ("s2t", "s2tw", "s2hk", "t2s")]

any_text = st.text(st.characters(), max_size=60)  # lone surrogates as well
han = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=8)
latin = st.lists(
    st.text(string.ascii_lowercase, min_size=3, max_size=9).map(str.capitalize),
    min_size=1,
    max_size=3,
).map(" ".join)
# Names in which numerals stand, and which a reader of numbers may take for one: 三十里铺, 百度, 二七.
numbered = st.text(
    st.sampled_from("零〇一二三四五六七八九十百千万亿两半度里山元铺岁"), min_size=2, max_size=6
)
number = st.one_of(
    st.integers(0, 10**9).map(str),
    st.integers(0, 10**9).map(lambda n: f"{n:,}"),
    st.builds("{}.{}亿".format, st.integers(1, 99), st.integers(1, 9)),
    st.builds(
        "{}{}".format, st.integers(1, 9999), st.sampled_from(["公里", " kg", "%", "元", "岁"])
    ),
)
date = st.dates().map(lambda d: f"{d.year}年{d.month}月{d.day}日") | st.dates().map(str)
name = st.one_of(han, numbered, latin, number, date)

# Words that end a denial or make one of themselves: after 不是 they do not belong to the name.
_TURNS = ("是", "但", "非", "不", "没", "未", "仅", "别", "只", "后来", "改", "所以", "因")
_TURN_WORDS = {
    "only",
    "just",
    "but",
    "until",
    "that",
    "which",
    "who",
    "not",
    "never",
    "however",
    "sure",
}


def _is_name(text):
    words = fold(text).split()
    return not any(turn in text for turn in _TURNS) and _TURN_WORDS.isdisjoint(words)


@given(st.text(min_size=1, max_size=40).filter(str.strip))
@settings(deadline=None)
def test_a_gold_is_right_about_itself(text):
    assert matches(text, gold_of(text)).verdict == "right"


@given(st.lists(name, min_size=1, max_size=3, unique=True), st.booleans())
@settings(deadline=None)
def test_the_printed_gold_is_right(names, need_all):
    assume(all(_is_name(text) and "或" not in text for text in names))
    gold = Gold(objects=tuple((text,) for text in names), need_all=need_all)
    assert matches(gold.text, gold).verdict == "right"


@given(any_text, st.lists(any_text, min_size=1, max_size=3), any_text, st.booleans())
@settings(max_examples=300, deadline=None)
def test_never_raises(answer, golds, question, need_all):
    match = matches(answer, gold_of(golds, need_all=need_all), question=question)
    assert match.verdict in ("right", "wrong", "ambiguous")


@given(name, st.sampled_from(["{}", "答案是{}。", "It is {}.", "我认为是{}"]))
@settings(deadline=None)
def test_case_width_and_script_do_not_matter(text, template):
    answer = template.format(text)
    expected = matches(answer, gold_of(text))
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and c not in ",." else c for c in answer)
    for other in (
        answer.upper(),
        answer.swapcase(),
        wide,
        *(convert(answer) for convert in _CONVERT),
    ):
        assert matches(other, gold_of(text)).verdict == expected.verdict, other
    for other in (text.upper(), *(convert(text) for convert in _CONVERT)):
        assert matches(answer, gold_of(other)).verdict == expected.verdict, other


@pytest.mark.parametrize(
    "template",
    ["不是{}", "并非{}。", "答案不是{}", "not {}", "It is not {}.", "it isn't {}", "肯定不会是{}"],
)
@given(text=name)
@settings(deadline=None)
def test_a_denied_gold_is_never_right(template, text):
    assume(_is_name(text))
    assert matches(template.format(text), gold_of(text)).verdict != "right"
