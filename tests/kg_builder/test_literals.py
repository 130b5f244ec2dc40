import pytest

from kg_builder.literals import ordinal, translate_literal


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("1706年1月17日", "January 17, 1706"),
        ("1706年", "1706"),
        ("公元前221年", "221 BC"),
        ("约公元前551年9月", "about September 551 BC"),
        ("1949-10-01", "1949-10-01"),
        ("18世纪", "18th century"),
        ("20世纪80年代", "1980s"),
        ("前3世纪", "3rd century BC"),
        ("13月", None),
        ("1900年13月1日", None),
        ("贞观三年", None),
    ],
)
def test_dates(text: str, english: str | None) -> None:
    assert translate_literal(text, "date") == english


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("8848.86米", "8848.86 metres"),
        ("1.4亿", "140,000,000"),
        ("约960万平方公里", "about 9,600,000 square kilometres"),
        ("206", "206"),
        ("120回", "120"),
        ("三十六", None),
        ("3丈", None),
    ],
)
def test_quantities(text: str, english: str | None) -> None:
    assert translate_literal(text, "number") == english


def test_other_answers_are_left_to_people() -> None:
    assert translate_literal("曹雪芹", "person") is None
    assert translate_literal("Fe", "term") == "Fe"


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st",
    ]  # fmt: skip
