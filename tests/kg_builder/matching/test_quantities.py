import pytest

from kg_builder.matching.normalise import plain
from kg_builder.matching.quantities import likeness, quantities


def _one(text):
    (quantity,) = quantities(plain(text))
    return quantity


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("3千米", 3000, "length"),
        ("134.27平方公里", 134_270_000, "area"),
        ("5 feet 11 inches", 1.8034, "length"),
        ("1小时30分钟", 5400, "time"),
        ("$2.18 billion", 2_180_000_000, "usd"),
        ("25 元", 25, "cny"),
        ("百分之五十", 0.5, "ratio"),
        ("三分之一", 1 / 3, "ratio"),
        ("-5℃", 268.15, "temperature"),
        ("54 Mbps", 54_000_000, "data_rate"),
    ],
)
def test_units(text, value, dimension):
    quantity = _one(text)
    assert quantity.value == pytest.approx(value)
    assert quantity.dimension == dimension


@pytest.mark.parametrize(
    ("gold", "other", "expected"),
    [
        ("3千米", "3 km", "same"),
        ("5 miles", "5 km", "other"),
        ("5 miles", "8 km", "rounded"),
        ("2年", "24个月", "same"),
        ("37℃", "98.6℉", "same"),
        ("37℃", "37", "same"),
        ("50%", "50", "same"),
        ("50%", "0.5", "same"),
        ("50%", "一半", "same"),
        ("25元", "25美元", "other"),
        ("272", "272页", "same"),
        ("8848.86米", "8848米", "rounded"),
        ("8848.86米", "8849", "rounded"),
        ("1.4亿", "143245000", "rounded"),
        ("143245000", "约1.4亿", "rounded"),
        ("143245000", "1.4亿", "near"),
        ("143245000", "1.3亿", "other"),
        ("247.3 million", "248 million", "near"),
        ("247.3 million", "247 million", "rounded"),
        ("1963", "1960", "other"),
        ("6", "6.3", "other"),
        ("5", "5 million", "other"),
        ("1 week", "number 1", "other"),
    ],
)
def test_likeness(gold, other, expected):
    assert likeness(_one(gold), _one(other)) == expected


@pytest.mark.parametrize("text", ["三国", "百姓", "one of them"])
def test_a_numeral_inside_a_word_is_bare(text):
    assert _one(text).bare


@pytest.mark.parametrize("text", ["三个", "二十一国", "one month", "第三"])
def test_a_counting_numeral_is_not(text):
    assert not _one(text).bare
