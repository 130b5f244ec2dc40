import pytest

from retrieval.segmentation import fold, ngrams, terms


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ABC abc", "abc abc"),
        ("ＡＢＣ１２", "abc12"),
        ("漢字傳統", "汉字传统"),
        ("a①½b", "a1½b"),
        ("İstanbul ß", "İstanbul ß"),  # what would change length stays
    ],
)
def test_fold_keeps_offsets(text: str, folded: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(text) == folded


def test_terms_have_words_and_bigrams_but_never_across_punctuation() -> None:
    found = terms("岳云的父亲,是岳飞")
    assert {"岳云", "父亲", "岳飞"} <= set(found)
    assert "亲是" not in found


def test_terms_meet_across_scripts() -> None:
    assert set(terms("臺灣總督")) == set(terms("台湾总督"))


def test_latin_words_and_numbers_stay_whole() -> None:
    assert terms("GPT-4 scored 86.4%, 1,024 tokens") == [
        "gpt", "4", "scored", "86.4", "1024", "tokens",
    ]  # fmt: skip


def test_ngrams_overlap_and_shorten_words() -> None:
    assert ngrams("岳飞") == ["岳", "飞", "岳飞"]
    assert ngrams("Paris") == ["paris", "pari", "aris"]


@pytest.mark.parametrize("text", ["", "…!?", "\n\t"])
def test_nothing_to_count(text: str) -> None:
    assert terms(text) == []
    assert ngrams(text) == []
