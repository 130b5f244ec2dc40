import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg_builder.cleaning import fault, fault_sql, rub, rub_sql, rules

DUCKDB = duckdb.connect()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("骨头，姜，", "骨头，姜"),
        ("1721[2]", "1721"),
        ("北京［1］", "北京"),
        ("<b>曹雪芹</b>等人", "曹雪芹"),
        ("张三<br/>李四", "张三、李四"),
        ("[[北京市|北京]]", "北京"),
        ("a&nbsp;b", "a b"),
        (" \u200b\u3000上海\t ", "上海"),
        ("《红楼梦》", "红楼梦"),
        ("《红楼梦》和《西游记》", "《红楼梦》和《西游记》"),
        ("AT&amp;T", "AT&T"),
        ("Apple Inc.", "Apple Inc."),
        ("自由、平等", "自由、平等"),
        ("苹果、梨等", "苹果、梨"),
    ],
)
def test_rubbing(text: str, clean: str) -> None:
    assert rub(text) == clean


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty value"),
        ("——", "empty value"),
        ("暂无资料", "says nothing"),
        ("见正文", "says nothing"),
        ("是", "yes or no"),
        ("www.example.com", "link"),
        ("someone@example.org", "link"),
        ("封面.jpg", "image or file"),
        ("北\ufffd京", "broken text"),
        ("[[x", "left-over mark-up"),
        ("他出生在一个普通的家庭。后来去了上海", "paragraph"),
        ("字" * 41, "paragraph"),
        ("男足：佩兰", "labelled parts"),
        ("9787111368434", "identifier"),
        ("ムーミン", "not in Chinese or Latin letters"),
        ("6000平方米以上", "vague"),
        ("2005-05-13", None),
        ("曹雪芹", None),
        ("北京市（首都）", None),
        ("Martin Luther King, Jr.", None),
    ],
)
def test_faults_of_values(value: str, reason: str | None) -> None:
    assert fault(value, rules().value_faults) == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1998年", "name is a number or a date"),
        ("中国城市列表", "name is a list or a disambiguation page"),
        ("怎么办？", "name is a sentence or a title of several parts"),
        ("李白", None),
        ("李娜（网球运动员）", None),
    ],
)
def test_faults_of_subjects(name: str, reason: str | None) -> None:
    assert fault(name, rules().subject_faults) == reason


def test_names_that_many_bear() -> None:
    common = (rules().common_name,)
    assert [name for name in ("王军", "向阳村", "中山路", "苏东坡", "法国") if fault(name, common)] == [
        "王军", "向阳村", "中山路",
    ]  # fmt: skip


ALPHABET = "ab1Z9 .,:;/[]()<>&|'\"{}=*#@-\n\t中国年等无是以上《》“”（）：；，。、！？［］\u3000\u200béア한·…—"


TEXTS = st.text(alphabet=ALPHABET, max_size=24) | st.text(
    alphabet=ALPHABET, min_size=38, max_size=44
)


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=16, max_size=16))  # to plan the query takes longer than to run it
def test_python_and_sql_say_the_same(texts: list[str]) -> None:
    cleaned = [rub(text) for text in texts]
    sql = (
        f"SELECT {rub_sql('raw')}, {fault_sql('clean', rules().value_faults)}, "
        f"{fault_sql('clean', rules().subject_faults)} "
        "FROM (SELECT unnest(?) AS raw, unnest(?) AS clean)"
    )
    told = DUCKDB.execute(sql, [texts, cleaned]).fetchall()
    for text, clean, found in zip(texts, cleaned, told, strict=True):
        expected = (clean, fault(clean, rules().value_faults), fault(clean, rules().subject_faults))
        assert found == expected, text
