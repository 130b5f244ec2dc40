import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from training.base.tokenizer import ASSISTANT, END, USER, train_tokenizer
from training.base.trainer import special_phrases
from training.language_pack import language_pack

TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="▁")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    texts = [
        "岳云的父亲是岳飞。",
        "The father of Yue Yun is Yue Fei, the general of the Song.",
        "the capital of the country",
        "1234567890",
    ] * 5
    return train_tokenizer(
        texts, ["岳飞"] * 3 + ["Yue Fei"] * 3, special_phrases(["zh", "en"]), 300
    )


def round_trip(tokenizer: PreTrainedTokenizerFast, text: str) -> str:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return str(tokenizer.decode(ids, skip_special_tokens=True))


@pytest.mark.parametrize(
    "text",
    [
        "岳云的父亲是岳飞。",
        "the capital  of \t the country\n\nnew line ",
        " leading and trailing ",
        "𠮷野家 😀👨‍👩‍👧 ǅ ß İ",
        "héllo naïve Ελλάδα Москва العربية",
        "\u200b\ufeff\u2028\u0085",
        "<0x41> 0x41",
        "",
    ],
)
def test_round_trip(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert round_trip(tokenizer, text) == unicodedata.normalize("NFC", text)


def test_the_one_character_that_stands_for_a_space(tokenizer: PreTrainedTokenizerFast) -> None:
    assert round_trip(tokenizer, "a▁b") == "a b"


@given(st.text(alphabet=TEXT, max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_round_trips_up_to_nfc(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert round_trip(tokenizer, text) == unicodedata.normalize("NFC", text)


@given(st.text(alphabet=TEXT, max_size=20), st.text(alphabet=TEXT, max_size=20))
@settings(max_examples=100, deadline=None)
def test_prompts_round_trip_around_any_question(
    tokenizer: PreTrainedTokenizerFast, before: str, question: str
) -> None:
    for language in ("zh", "en"):
        text = before + language_pack(language).prompt(question)  # type: ignore[arg-type]
        assert round_trip(tokenizer, text) == unicodedata.normalize("NFC", text)


def test_answers_are_words_and_questions_characters(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize("岳云的父亲") == list("岳云的父亲")
    assert tokenizer.tokenize("岳飞") == ["岳飞"]
    assert len(tokenizer.tokenize("1234")) == 4
    assert len(tokenizer.tokenize("the capital")) < len("the capital")


def test_the_prompts_fixed_part_is_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    text = language_pack("zh").prompts[0]
    assert len(tokenizer.tokenize(text.replace("{question}", "岳"))) == 2


def test_the_chat_template_marks_turns(tokenizer: PreTrainedTokenizerFast) -> None:
    talk = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "你好!"},
        {"role": "user", "content": "再见"},
    ]
    text = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert text == f"{USER}S{USER}你好{ASSISTANT}你好!{END}{USER}再见{ASSISTANT}"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "S你好你好!再见"
    assert ids.count(tokenizer.convert_tokens_to_ids(USER)) == 3


def test_it_survives_saving(tokenizer: PreTrainedTokenizerFast, tmp_path: object) -> None:
    tokenizer.save_pretrained(str(tmp_path))
    again = PreTrainedTokenizerFast.from_pretrained(str(tmp_path))
    text = language_pack("zh").prompt("岳云😀的父亲是?")
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert round_trip(again, text) == text
