import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("岳云的父亲是岳飞。岳云的籍贯是汤阴。", ["岳云的父亲是岳飞。", "岳云的籍贯是汤阴。"]),
        ("他说:“走吧!”然后走了。", ["他说:“走吧!”然后走了。"]),
        ("他说:“走吧!”\n然后走了。", ["他说:“走吧!”", "然后走了。"]),
        ("《怎么办？》出版了。好。", ["《怎么办？》出版了。", "好。"]),
        ("The code is 389. .mk is its domain.", ["The code is 389.", ".mk is its domain."]),
        ("“何处？晓风残月”出自此词。好。", ["“何处？晓风残月”出自此词。", "好。"]),
        ("“没有收尾。下一句。", ["“没有收尾。", "下一句。"]),
        ("第一行\n第二行", ["第一行", "第二行"]),
        ("Pi is 3.14. It never ends.", ["Pi is 3.14.", "It never ends."]),
        ("Dr. J. R. Smith left. He ran.", ["Dr. J. R. Smith left.", "He ran."]),
        ("Its symbol is U. It is heavy.", ["Its symbol is U.", "It is heavy."]),
        ("Born Jun. 4 to Jun. He left.", ["Born Jun. 4 to Jun.", "He left."]),
        ("The U.S. is big. So is China.", ["The U.S. is big.", "So is China."]),
        ("见example.com。好", ["见example.com。", "好"]),
        ("……。", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [s.text for s in sentences(text)] == expected


@given(st.text(alphabet="岳。!? \n.Aab1”", max_size=40))
def test_offsets_are_exact_and_nothing_is_lost(text: str) -> None:
    found = sentences(text)
    assert all(text[s.start : s.end] == s.text for s in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    kept = "".join(s.text for s in found)
    assert sum(c.isalnum() for c in kept) == sum(c.isalnum() for c in text)
