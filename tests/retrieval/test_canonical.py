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
    assert canonical(text) == expected


def test_names_compare_by_key() -> None:
    assert key("《红楼梦》") == key("红楼梦 ") == key("“紅樓夢”。")
