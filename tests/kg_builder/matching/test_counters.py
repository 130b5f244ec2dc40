import pytest

from kg_builder.matching.normalise import plain
from kg_builder.matching.quantities import quantities


def _counted(text):
    return [quantity.value for quantity in quantities(plain(text)) if not quantity.bare]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("三", [3]),
        ("答案是三", [3]),
        ("三个人和五条狗", [3, 5]),
        ("有三家公司", [3]),
        ("十五", [15]),
        ("第三", [3]),
        ("一九四九", [1949]),
        ("伍拾元", [50]),
        ("百人", [100]),
        ("百万", [1_000_000]),
        ("半年", [15_778_476]),
        ("占一半", [0.5]),
        ("陸拾個", [60]),
    ],
)
def test_what_counts(text, values):
    assert _counted(text) == pytest.approx(values)


@pytest.mark.parametrize(
    "text",
    ["张三", "李四家", "三国", "陆游", "陆军", "伍子胥", "百度", "千古", "万一", "二战", "三陆个",
     "九一八事变", "三五个", "是一种动物", "半岛", "一般", "星期三", "富二代"],
)  # fmt: skip
def test_what_does_not(text):
    assert _counted(text) == []
