"""Properties that hold for whatever text there is."""

import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from kg_builder.matching import gold_of, matches, verdict
from kg_builder.matching.answer import Answer
from kg_builder.matching.golds import prepare
from kg_builder.matching.normalise import fold
from kg_builder.matching.numbers import NUMERALS, other_script
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


# Names in which a numeral stands, and the number that a careless reader takes it for.
_NAMED_NUMERALS = {
    "陆": 6, "伍": 5, "万": 10_000, "千": 1000, "百": 100, "七": 7, "三": 3, "九": 9, "五": 5, "一": 1,
}  # fmt: skip
# Second characters of names, none of them a measure word, a unit, a particle or a numeral.
_NAME_ENDS = "游喜星叶科江川安明逊秀羊熙鹏芳莲源泽"


@given(
    st.sampled_from(sorted(_NAMED_NUMERALS)),
    st.text(st.sampled_from(_NAME_ENDS), min_size=1, max_size=2),
    st.sampled_from(["{}", "是{}", "答案是{}。", "{}和他的朋友", "叫{}"]),
)
@settings(deadline=None)
def test_a_name_that_begins_with_a_numeral_is_no_number(numeral, rest, template):
    value = _NAMED_NUMERALS[numeral]
    for gold in (str(value), f"{value}个", f"{value}人"):
        assert matches(template.format(numeral + rest), gold_of(gold)).verdict != "right"


@given(st.sampled_from("张李王赵刘陈老小"), st.sampled_from("三四五六七八九陆伍柒"))
def test_a_name_that_ends_in_a_numeral_is_no_number(family, numeral):
    value = "三四五六七八九陆伍柒".index(numeral)
    number = [3, 4, 5, 6, 7, 8, 9, 6, 5, 7][value]
    assert matches(family + numeral, gold_of(str(number))).verdict == "wrong"
    assert matches(family + numeral, gold_of(family + numeral)).verdict == "right"


@given(
    st.integers(1, 99),
    st.sampled_from("个位名颗座部条岁年天米元"),
    st.sampled_from(["{}", "共{}", "答案是{}。", "一共有{}", "他们有{}左右"]),
)
@settings(deadline=None)
def test_a_numeral_before_a_measure_word_is_a_number(value, counter, template):
    assume(not (template.startswith("答案") and value == 1))  # 是一个 … may be an article
    for written in (str(value), other_script(str(value))):
        answer = template.format(f"{written}{counter}")
        assert matches(answer, gold_of(f"{value}{counter}")).verdict == "right", answer
        assert matches(answer, gold_of(f"{value + 1}{counter}")).verdict != "right", answer


@given(han, st.integers(1, 99), st.integers(1, 99), st.sampled_from(["", "号", "型", "号机器"]))
@settings(deadline=None)
def test_a_numbered_name_keeps_its_number(stem, number, other, tail):
    assume(not any(c in NUMERALS + "第年月日约共近" for c in stem))
    gold = gold_of(f"{stem}{number}{tail}", answer_type="thing")
    assert matches(f"{stem}{number}{tail}", gold).verdict == "right"
    if number != other:
        assert matches(f"{stem}{other}{tail}", gold).verdict != "right"


@given(st.integers(1, 98), st.integers(2, 99))
@settings(deadline=None)
def test_a_fraction_is_one_in_words_and_signs(upper, lower):
    assume(upper < lower)
    words = f"{other_script(str(lower))}分之{other_script(str(upper))}"
    assert matches(words, gold_of(f"{upper}/{lower}")).verdict == "right"
    assert matches(f"占{upper}/{lower}。", gold_of(words)).verdict == "right"


_FRAMES = (
    "{n}", "是{n}。", "一共有{n}个", "大约{n}", "{n}年", "{n}月5日", "第{n}", "从3到{n}", "{n}-20",
    "-{n}", "{n}%", "{n}万", "三十{n}", "1/{n}", "不是{n}",
    "It is {n}.", "on July {n}", "minus {n}", "{n} million", "{n} of 40", "at {n}:30",
    "the {n}th", "{n} metres", "between {n} and 90", "{n} or 31",
)  # fmt: skip


@pytest.mark.parametrize("frame", _FRAMES)
@given(gold=st.integers(10, 99999), other=st.integers(10, 99999), same=st.booleans())
def test_a_number_is_judged_alike_by_the_short_way(
    frame: str, gold: int, other: int, same: bool
) -> None:
    answer = frame.format(n=gold if same else other)
    wanted = gold_of(str(gold), answer_type="number")
    prepared = prepare(wanted.objects, wanted.need_all, wanted.answer_type)
    whole = verdict._judge(Answer(answer, fold(answer), prepared, ""))
    assert matches(answer, wanted).verdict == whole.verdict
