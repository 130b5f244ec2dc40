import pytest

from retrieval.canonical import canonical, key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("《紅樓夢》 的作者", "红楼梦的作者"),
        ("Who   wrote “Hamlet”?", "who wrote hamlet?"),
        ("李白 Li Bai", "李白li bai"),
        ("", ""),
    ],
)
def test_canonical(text: str, expected: str) -> None:
    assert canonical(text).text == expected


def test_offsets_lead_back() -> None:
    source = "“夜航书”的作者是《顾 长风》。"
    mapped = canonical(source)
    start = mapped.text.index("顾长风")
    left, right = mapped.original(source, start, start + 3)
    assert source[left:right] == "《顾 长风》"
    assert mapped.original(source, 2, 2) == (0, 0)


def test_names_compare_by_key() -> None:
    assert key("《红楼梦》") == key("红楼梦 ") == key("“紅樓夢”。")
