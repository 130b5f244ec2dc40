import pytest

from kg_builder.matching.normalise import plain
from kg_builder.matching.numbers import chinese_value, numerals, other_script


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("十", 10),
        ("十五", 15),
        ("二十一", 21),
        ("一百零八", 108),
        ("一百五", 150),
        ("三万五", 35_000),
        ("三千二百万", 32_000_000),
        ("一亿四千万", 140_000_000),
        ("一万亿", 10**12),
        ("两千零八", 2008),
        ("一九四九", 1949),
        ("二〇〇八", 2008),
        ("壹佰贰拾", 120),
        ("三点一四", 3.14),
        ("一点四亿", 140_000_000),
        ("半", 0.5),
    ],
)
def test_chinese_values(text, value):
    assert chinese_value(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1.4亿", [140_000_000]),
        ("1亿4000万", [140_000_000]),
        ("2万5千", [25_000]),
        ("1,400,000,000", [1_400_000_000]),
        ("1.4 billion", [1_400_000_000]),
        ("1.5k", [1500]),
        ("3.0×10^8", [300_000_000]),
        ("twenty-one", [21]),
        ("one hundred and eight", [108]),
        ("two hundred thousand", [200_000]),
        ("half a million", [500_000]),
        ("a dozen eggs", [12]),
        ("five and six", [5, 6]),
        ("1, 2, 3", [1, 2, 3]),
        ("twenty first", [21]),
        ("B52", []),
        ("someone often", []),
    ],
)
def test_numerals_in_text(text, values):
    assert [n.value for n in numerals(plain(text))] == values


@pytest.mark.parametrize(
    ("text", "step"),
    [("1.4亿", 10**7), ("1亿4000万", 10**4), ("3.14", 0.01), ("270", 1), ("三百万", 10**6)],
)
def test_the_step_is_the_last_written_place(text, step):
    assert numerals(plain(text))[0].step == pytest.approx(step)


@pytest.mark.parametrize("text", ["third", "21st", "第三", "twentieth"])
def test_ordinals(text):
    assert numerals(plain(text))[0].ordinal


def test_an_identifier_is_no_number():
    assert numerals("9" * 31) == []


@pytest.mark.parametrize(
    ("written", "other"),
    [("5", "五"), ("10", "十"), ("20", "二十"), ("13", "十三"), ("99", "九十九"), ("二十一", "21")],
)
def test_the_other_script(written, other):
    assert other_script(written) == other
    assert other_script(other) == written


@pytest.mark.parametrize("written", ["100", "05", "1.5", "一百", "陆", "百"])
def test_no_other_script(written):
    assert other_script(written) is None
