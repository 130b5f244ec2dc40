"""An encoder's vocabulary is cut down: kept pieces keep their vectors, text is still cut whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from retrieval.reading.encoding import TOKENIZER, Encoder
from retrieval.reading.span_reader import FOLDER
from retrieval.reading.vocabulary import VocabularyError, prune_vocabulary

TEXTS = [
    "车间安全负责人是孙建国,分机6110。",
    "The tower stands 381 metres tall.",
    "發生事故應立即報告。",
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    (folder / TOKENIZER).write_bytes((FOLDER / TOKENIZER).read_bytes())
    count = Tokenizer.from_file(str(folder / TOKENIZER)).get_vocab_size()
    config = BertConfig(
        vocab_size=count, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, pad_token_id=1,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def test_what_the_texts_use_is_kept_with_its_vectors(base: Path, tmp_path: Path) -> None:
    count = prune_vocabulary(base, TEXTS, 9000, tmp_path)
    assert count <= 9000
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == count
    old, new = (Tokenizer.from_file(str(f / TOKENIZER)) for f in (base, tmp_path))
    name = "embeddings.word_embeddings.weight"
    before, after = (
        load_file(base / "model.safetensors")[name],
        load_file(tmp_path / "model.safetensors")[name],
    )
    assert after.shape == (count, 8)
    for token, place in new.get_vocab().items():
        assert torch.equal(after[place], before[old.token_to_id(token)])
    for text in TEXTS:
        folded = text.replace("發", "发")
        one, other = (t.encode(folded, add_special_tokens=False).tokens for t in (new, old))
        assert one == other
        assert "<unk>" not in new.encode("孙建国 tower 381").tokens
    assert Encoder.load(tmp_path).windows("谁?", "", TEXTS[0])


def test_another_kind_of_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / TOKENIZER).write_text('{"model": {"type": "BPE"}}', encoding="utf-8")
    with pytest.raises(VocabularyError, match="no Unigram tokenizer"):
        prune_vocabulary(tmp_path, TEXTS, 9000, tmp_path / "out")
