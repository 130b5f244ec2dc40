"""Reranking: by a fake whose judgement is known, and by a real cross-encoder made for the test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from kg_builder.passage import Passage
from retrieval.chain import ChainSettings, RetrievalChain
from retrieval.errors import EmbedderError
from retrieval.evidence import Evidence
from retrieval.index import Index
from retrieval.reranker import CrossEncoderReranker, rerank


class Preferring:
    """Likes passages that hold a word."""

    name = "preferring"

    def __init__(self, word: str, delay: float = 0) -> None:
        self.word, self.delay = word, delay

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        time.sleep(self.delay)
        return [float(self.word in passage) for passage in passages]


def evidence(*texts: str) -> list[Evidence]:
    return [
        Evidence(passage=Passage(id=f"p{n}", title="t", text=text), score=9 - n)
        for n, text in enumerate(texts)
    ]


def test_order_and_scores() -> None:
    found = rerank("?", evidence("甲", "乙", "丙乙"), Preferring("乙"))
    assert [(item.passage.text, item.score) for item in found] == [
        ("乙", 1),
        ("丙乙", 1),
        ("甲", 0),
    ]
    assert rerank("?", [], Preferring("乙")) == []


async def test_in_the_chain(passages: list[Passage], tmp_path: Path) -> None:
    index = Index.build(passages, tmp_path)
    settings = ChainSettings(k=3)
    plain = await RetrievalChain(index, settings=settings).aanswer("临江的人口是多少?")
    assert plain.evidence[0].passage.title == "临江"
    chain = RetrievalChain(index, reranker=Preferring("沈怀远"), settings=settings)
    assert (await chain.aanswer("临江的人口是多少?")).evidence[0].passage.title != "临江"


async def test_one_that_is_late_changes_nothing(passages: list[Passage], tmp_path: Path) -> None:
    index = Index.build(passages, tmp_path)
    chain = RetrievalChain(index, reranker=Preferring("沈怀远", delay=1))
    reading = await chain.aanswer("沈云舟的父亲是谁?", deadline=time.monotonic() + 1)
    assert reading.answer == "沈怀远"


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="cannot be loaded"):
        CrossEncoderReranker(str(tmp_path / "none")).scores("?", ["?"])


@pytest.mark.slow
def test_a_cross_encoder(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"甲乙丙丁?"]), encoding="utf-8"
    )
    config = BertConfig(
        vocab_size=10, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, num_labels=1,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    made = CrossEncoderReranker(str(tmp_path), device="cpu")
    one, other = made.scores("甲?", ["甲乙", "丙丁"])
    assert one != other
    assert made.scores("甲?", ["丙丁"]) == pytest.approx([other], abs=1e-5)
