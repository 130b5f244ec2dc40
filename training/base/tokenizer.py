"""The base model's own tokenizer: one token a Chinese character, merges for Latin words, bytes for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|user|>' if message['role'] != 'assistant' else '<|assistant|>' }}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

# Ideographs, kana, punctuation and digits each stand alone; Latin words keep their merges.
ALONE = Regex(r"[^a-zA-ZÀ-ɏ▁]")


def train_tokenizer(
    texts: Iterable[str], phrases: Sequence[str], vocabulary: int
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from ``texts``; each of ``phrases`` (prompt wordings) becomes one token.

    At most ``vocabulary`` merges and characters; every character that occurs in the texts is kept.
    """
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=None))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="never"),
            pre_tokenizers.Split(ALONE, behavior="isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    texts = list(texts)
    characters = {character for text in texts for character in text}
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary, len(characters) + 600),
        special_tokens=[PAD, USER, ASSISTANT, END],
        show_progress=False,
        min_frequency=3,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=with_bytes(tokenizer),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.add_tokens(
        sorted({phrase for phrase in phrases if len(phrase) > 1}, key=len, reverse=True)
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
