"""The base model's own tokenizer: characters, words that answers are made of, bytes for the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|user|>' if message['role'] != 'assistant' else '<|assistant|>' }}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ']+")


def train_tokenizer(
    texts: Iterable[str], answers: Iterable[str], phrases: Sequence[str], vocabulary: int
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer of at most ``vocabulary`` characters and merges.

    Merges are learned from ``answers`` (and the Latin words of ``texts``), each counted as often as it
    occurs there: a token is then a word, as in large models' tokenizers, and the first token of an answer
    says most of it. They are not learned from how often a fact will be *seen*: the length of a name in
    tokens must not give away what the model knows. Every character of ``texts`` is kept; each of
    ``phrases`` (the fixed parts of prompts) becomes one token. Any text comes back as it was, up to
    Unicode's NFC and the character U+2581, which stands for a space inside.
    """
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=None))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    texts = list(texts)
    characters = sorted(
        {character for text in texts for character in text if not character.isspace()}
    )
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary, len(characters) + 600),
        initial_alphabet=characters,
        special_tokens=[PAD, USER, ASSISTANT, END],
        show_progress=False,
        min_frequency=2,
    )
    latin = (" ".join(LATIN_WORD.findall(text)) for text in texts)
    tokenizer.train_from_iterator([*answers, *latin], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=with_bytes(tokenizer),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.add_tokens(
        sorted({phrase for phrase in phrases if len(phrase) > 1}, key=len, reverse=True)  # type: ignore[arg-type]
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """Add the 256 byte tokens that unknown characters fall back to.

    The trainer could only add them as special tokens, which decoding would then skip.
    """
    state = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    return Tokenizer.from_str(json.dumps(state))
