import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg_builder.literals import ordinal, read_literal, translate_literal


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


@pytest.mark.parametrize(
    ("text", "key", "zh"),
    [
        ("1706-01-17", "1706-01-17", "1706年1月17日"),
        ("1706-01-01", "1706", "1706年"),
        ("0223-01-01", "223", "223年"),
        ("-0192-01-0", "-192", "公元前193年"),
        ("1950-12", "1950-12", "1950年12月"),
        ("1963.1", "1963", "1963年"),
        ("1990/5/12", "1990-05-12", "1990年5月12日"),
        ("1953年10月1号", "1953-10-01", "1953年10月1日"),
        ("+1952-03-11T00:00:00Z", None, None),
        ("1952-03-11T00:00:00Z", "1952-03-11", "1952年3月11日"),
        ("1368年—1644年", None, None),
        ("001", None, None),
        ("0001", None, None),
        ("公元50年", "50", "公元50年"),
        ("0001-00-00", "1", "公元1年"),
        ("-257", "-257", "公元前258年"),
        ("清朝康熙年间", None, None),
        ("1952-13-11", None, None),
    ],
)
def test_dates_of_all_forms_have_one_key(text: str, key: str | None, zh: str | None) -> None:
    found = read_literal(text, "date")
    assert (found and found.key, found and found.zh) == (key, zh)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("185cm", "185cm"),
        ("185 cm", "185cm"),
        ("1.4亿人", "140000000人"),
        ("140000000人", "140000000人"),
        ("三十六", "三十六"),
        ("240×320像素", None),
        ("1.85m/70kg", None),
        ("7.1万人（2008年）", None),
        ("5-6米", None),
        ("很多", None),
    ],
)
def test_a_quantity_is_one_number_with_its_unit(text: str, key: str | None) -> None:
    found = read_literal(text, "number")
    assert (found and found.key) == key


@given(st.text(alphabet="0123456789-./年月日约公元前万亿米cm ,（）T:Z", max_size=16))
def test_no_text_crashes_the_readers(text: str) -> None:
    for answer in ("date", "number"):
        found = read_literal(text, answer)  # type: ignore[arg-type]
        if found is not None and answer == "date":
            # What we say is read again as the same value.
            again = read_literal(found.zh, "date")
            assert again is not None
            assert again.key == found.key
