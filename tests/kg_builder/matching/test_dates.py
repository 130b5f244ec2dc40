import pytest

from kg_builder.matching.dates import agreement, dates
from kg_builder.matching.normalise import plain


def _read(text):
    return [(d.year, d.month, d.day, d.span) for d in dates(plain(text))]


@pytest.mark.parametrize(
    "text",
    [
        "1706年1月17日",
        "一七〇六年一月十七日",
        "1706-01-17",
        "+1706-01-17T00:00:00Z",
        "1706/1/17",
        "1706.1.17",
        "1/17/1706",
        "January 17, 1706",
        "Jan. 17, 1706",
        "17 January 1706",
        "the 17th of January, 1706",
        "1706 January 17",
    ],
)
def test_one_day_however_written(text):
    assert _read(text) == [(1706, 1, 17, 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1706年", [(1706, None, None, 1)]),
        ("1963.1", [(1963, 1, None, 1)]),
        ("May 2002", [(2002, 5, None, 1)]),
        ("July 4", [(None, 7, 4, 1)]),
        ("7月4日", [(None, 7, 4, 1)]),
        ("in May", [(None, 5, None, 1)]),
        ("he may go", []),
        ("公元前551年9月28日", [(-551, 9, 28, 1)]),
        ("551 BC", [(-551, None, None, 1)]),
        ("44 B.C.", [(-44, None, None, 1)]),
        ("AD 79", [(79, None, None, 1)]),
        ("-0551-01-01", [(-551, 1, 1, 1)]),
        ("1706-00-00", [(1706, None, None, 1)]),
        ("民国38年", [(1949, None, None, 1)]),
        ("1990s", [(1990, None, None, 10)]),
        ("20世纪90年代", [(1990, None, None, 10)]),
        ("mid-10th century BCE", [(-1000, None, None, 100)]),
        ("公元前3世纪", [(-300, None, None, 100)]),
        ("1632–53", [(1632, None, None, 1), (1653, None, None, 1)]),
        ("6–14 July", [(None, 7, 6, 1), (None, 7, 14, 1)]),
        ("October 9, 19861. The", [(1986, 10, 9, 1)]),
        ("20年", []),
        ("$1999", []),
        ("1,000 years ago", []),
    ],
)
def test_precision_and_eras(text, expected):
    assert _read(text) == expected


@pytest.mark.parametrize(
    ("gold", "other", "expected"),
    [
        ("1706", "1706年1月17日", "same"),
        ("1706年1月", "1706-01-17", "same"),
        ("1706-01-17", "1706年", "coarser"),
        ("1706-01-17", "1706年2月", "other"),
        ("1706-01-17", "1707", "other"),
        ("July 4", "July 4, 1776", "same"),
        ("July 4, 1776", "July 4", "coarser"),
        ("1990s", "1995", "same"),
        ("1995", "1990s", "coarser"),
        ("1995", "20世纪", "coarser"),
        ("1885", "1990s", "other"),
        ("18th century", "1750", "same"),
        ("551 BC", "公元551年", "other"),
        ("mid-1970s", "the mid-1970s", "same"),
        ("mid-1970s", "the late 1970s", "other"),
        ("mid-1970s", "1970s", "coarser"),
        ("mid-1970s", "1975", "same"),
        ("20世纪初", "early 20th century", "same"),
        ("20世纪末", "20世纪", "coarser"),
    ],
)
def test_agreement(gold, other, expected):
    (a,), (b,) = dates(plain(gold)), dates(plain(other))
    assert agreement(a, b) == expected
