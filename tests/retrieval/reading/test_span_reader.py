"""Logits to spans, and readers loaded from folders: one with random weights and a tokenizer of characters."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast

from retrieval.errors import RetrievalError
from retrieval.reading.encoding import TOKENIZER
from retrieval.reading.overlap import LEVELS
from retrieval.reading.span_reader import (
    CONFIG,
    KIND,
    LENGTH,
    LONGEST,
    SPANS,
    EmbeddedSpanReader,
    Span,
    SpanPrediction,
    SpanReader,
    SpanReaderError,
    Text,
    TransformersSpanReader,
    best_window,
    decode,
    load_span_reader,
)
from retrieval.reading.weights import WEIGHTS, WeightsError

CHARACTERS = "临江的城墙建于哪一年在东海道里？?。1432 abcdefghijklmnopqrstuvwxyz"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def tokenizer() -> Tokenizer:
    """A token a character."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *CHARACTERS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.add_special_tokens(SPECIAL)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reader")
    config = {
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": len(SPECIAL) + len(CHARACTERS),
        "max_position_embeddings": 400,
        "type_vocab_size": 2 * LEVELS,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 1,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    torch.manual_seed(1)
    model = BertForQuestionAnswering(BertConfig(**config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(0.3 * torch.randn_like(parameter))
    save_file(model.state_dict(), made / WEIGHTS)
    (made / CONFIG).write_text(json.dumps(config | {"kind": KIND}), encoding="utf-8")
    tokenizer().save(str(made / TOKENIZER))
    return made


# ── decode ───────────────────────────────────────────────────────────────────────────────────────


def logits(length: int, *peaks: tuple[int, float]) -> np.ndarray:
    made = np.zeros(length, np.float32)
    for place, height in peaks:
        made[place] = height
    return made


def test_the_most_probable_span_comes_first() -> None:
    offsets = [(10 * place, 10 * place + 7) for place in range(6)]
    found = decode(logits(9, (4, 9.0), (6, 5.0)), logits(9, (5, 9.0), (7, 5.0)), offsets, 2)
    assert [one[:2] for one in found.spans[:2]] == [(20, 37), (40, 57)]
    assert found.score > 0


def test_no_answer_is_the_first_position() -> None:
    offsets = [(place, place + 1) for place in range(5)]
    found = decode(logits(8, (0, 9.0)), logits(8, (0, 9.0)), offsets, 2)
    assert found.score < -8
    assert np.exp(found.no_answer) == pytest.approx(1.0, abs=0.01)


def test_question_and_closing_tokens_are_never_part_of_a_span() -> None:
    offsets = [(0, 1), (1, 2)]
    found = decode(logits(6, (1, 50.0), (5, 50.0)), logits(6, (2, 50.0), (5, 50.0)), offsets, 3)
    assert np.exp(found.no_answer) == pytest.approx(1 / 9, abs=1e-5)


def test_a_span_is_no_longer_than_it_may_be() -> None:
    count = LONGEST + 20
    offsets = [(place, place + 1) for place in range(count)]
    found = decode(logits(count + 1, (1, 20.0)), logits(count + 1, (count, 20.0)), offsets, 1)
    assert found.spans
    assert all(one.end - one.start <= LONGEST for one in found.spans)
    edge = decode(logits(count + 1, (1, 20.0)), logits(count + 1, (LONGEST, 20.0)), offsets, 1)
    assert edge.spans[0][:2] == (0, LONGEST)


def test_a_text_without_tokens_has_no_span() -> None:
    found = decode(logits(3, (0, 2.0)), logits(3), [], 2)
    assert found == SpanPrediction((), 0.0)
    assert found.score == -np.inf


@st.composite
def inputs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]], int]:
    count, first = draw(st.integers(1, 60)), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    start, end = (
        (draw(st.sampled_from([0.0, 1.0, 30.0])) * rng.standard_normal(first + count + 1)).astype(
            np.float32
        )
        for _ in range(2)
    )
    lengths = rng.integers(1, 4, count)
    edges = np.cumsum([0, *lengths]).tolist()
    return start, end, list(itertools.pairwise(edges)), first


@given(inputs())
def test_spans_are_ordered_and_apart(
    drawn: tuple[np.ndarray, np.ndarray, list[tuple[int, int]], int],
) -> None:
    start, end, offsets, first = drawn
    found = decode(start, end, offsets, first)
    assert 1 <= len(found.spans) <= SPANS
    scores = [one.log_probability for one in found.spans]
    tokens = [  # beyond the first
        sum(one.start <= a and b <= one.end for a, b in offsets) - 1 for one in found.spans
    ]
    ranked = [s - LENGTH * math.log1p(n) for s, n in zip(scores, tokens, strict=True)]
    assert ranked == pytest.approx(sorted(ranked, reverse=True), abs=1e-4)
    assert max([*scores, found.no_answer]) <= 1e-4
    for one in found.spans:
        assert 0 <= one.start < one.end <= offsets[-1][1]
        for other in found.spans:
            assert one is other or one.end <= other.start or other.end <= one.start


@given(inputs())
def test_the_best_span_is_the_best_of_all(
    drawn: tuple[np.ndarray, np.ndarray, list[tuple[int, int]], int],
) -> None:
    start, end, offsets, first = drawn
    best = decode(start, end, offsets, first).spans[0]
    count = len(offsets)
    pairs = [(a, b) for a in range(count) for b in range(a, min(count, a + LONGEST))]

    def rank(a: int, b: int) -> float:
        return float(start[first + a] + end[first + b]) - LENGTH * math.log1p(b - a)

    a = [left for left, _ in offsets].index(best.start)
    b = [right for _, right in offsets].index(best.end)
    assert rank(a, b) == pytest.approx(max(rank(*pair) for pair in pairs), abs=1e-3)


def test_logits_that_are_no_numbers_give_no_span() -> None:
    offsets = [(0, 1), (1, 2)]
    broken = np.full(4, np.nan, np.float32)
    assert decode(broken, broken, offsets, 1).spans == ()


def test_the_window_that_answers_most_surely_is_taken() -> None:
    sure = SpanPrediction((Span(0, 1, -0.1),), -5.0)
    unsure = SpanPrediction((Span(0, 1, -0.01),), -0.02)
    silent = SpanPrediction((), 0.0)
    assert best_window([silent, unsure, sure]) == sure
    assert best_window([silent]) == silent


# ── readers ──────────────────────────────────────────────────────────────────────────────────────


def check_within(found: list[SpanPrediction], texts: list[Text]) -> None:
    """A prediction for each text, its spans within it, and none where there is no text."""
    assert len(found) == len(texts)
    for text, prediction in zip(texts, found, strict=True):
        assert bool(prediction.spans) is bool(text.text)
        for span in prediction.spans:
            assert 0 <= span.start < span.end <= len(text.text)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_every_text_has_a_prediction_within_it(folder: Path, engine: str) -> None:
    reader = EmbeddedSpanReader.load(folder, engine)  # type: ignore[arg-type]
    assert isinstance(reader, SpanReader)
    texts = [
        Text("临江", "临江的城墙建于1432年。"),
        Text("", "临江在东海道。" * 120),  # more than one window
        Text("", ""),
        Text("临江", "一"),
    ]
    found = reader.predict("临江的城墙建于哪一年?", texts)
    check_within(found, texts)
    assert reader.predict("临江?", []) == []


def test_the_end_of_a_long_text_is_read(folder: Path) -> None:
    """Whatever the weights, a text of two windows answers as surely as its better window."""
    reader = EmbeddedSpanReader.load(folder, "numpy")
    head, tail = "临江在东海道。" * 80, "城墙建于1432年。"
    (whole,) = reader.predict("何时?", [Text("", head + tail)])
    windows = reader._encoder.windows("何时?", "", head + tail)
    assert len(windows) > 1
    assert windows[-1].offsets[-1][1] == len(head + tail)
    scores = [
        decode(s.start, s.end, w.offsets, w.first).score
        for w, s in zip(windows, reader._network.scores(windows), strict=True)
    ]
    assert whole.score == pytest.approx(max(scores), abs=1e-4)


def test_both_engines_read_alike(folder: Path) -> None:
    texts = [Text("临江", "临江的城墙建于1432年。"), Text("", "在东海道里")]
    one, other = (
        EmbeddedSpanReader.load(folder, engine).predict("城墙建于哪一年?", texts)
        for engine in ("numpy", "torch")
    )
    for a, b in zip(one, other, strict=True):
        assert a.score == pytest.approx(b.score, abs=0.3)


def test_a_text_is_read_the_same_whatever_stands_beside_it(folder: Path) -> None:
    reader = EmbeddedSpanReader.load(folder, "numpy")
    texts = [Text("", "在东海道里"), Text("临江", "临江的城墙建于1432年。")]
    together = reader.predict("城墙建于哪一年?", texts)
    for text, prediction in zip(texts, together, strict=True):
        (alone,) = reader.predict("城墙建于哪一年?", [text])
        assert [one[:2] for one in alone.spans] == [one[:2] for one in prediction.spans]
        assert alone.score == pytest.approx(prediction.score, abs=1e-3)


def test_the_name_is_that_of_the_weights(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    one, other = EmbeddedSpanReader.load(folder, "numpy"), load_span_reader(copy)
    assert one.name == other.name
    assert one.name.startswith("span-")
    assert one.parameters > 10_000


def test_a_folder_of_ours_is_known_by_its_configuration(folder: Path) -> None:
    assert isinstance(load_span_reader(folder), EmbeddedSpanReader)
    assert isinstance(load_span_reader(str(folder)), EmbeddedSpanReader)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_a_folder_that_lacks_a_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(RetrievalError, match=name if name == TOKENIZER else "no span reader"):
        EmbeddedSpanReader.load(copy)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path, engine: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    save_file({"encoder.weight": torch.zeros(2, 2)}, copy / WEIGHTS)
    with pytest.raises(WeightsError, match="lack"):
        EmbeddedSpanReader.load(copy, engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_damaged_file_is_told(folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).write_text("{", encoding="utf-8")
    with pytest.raises(RetrievalError):
        EmbeddedSpanReader.load(copy)


# ── models of transformers ───────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def foreign(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("foreign")
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    del config["kind"]
    BertForQuestionAnswering(BertConfig(**config)).save_pretrained(made)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), bos_token="<s>", eos_token="</s>", cls_token="<s>",
        sep_token="</s>", unk_token="<unk>", pad_token="<pad>", model_max_length=384,
    )  # fmt: skip
    from tokenizers.processors import TemplateProcessing

    fast.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )  # fmt: skip
    fast.save_pretrained(made)
    return made


def test_a_model_of_transformers_reads_the_text_and_not_the_title(foreign: Path) -> None:
    reader = load_span_reader(foreign)
    assert isinstance(reader, TransformersSpanReader)
    texts = [
        Text("临江", "临江的城墙建于1432年。"),
        Text("临江城", "在东海道里。" * 150),
        Text("临江", ""),
        Text("", "一"),
    ]
    found = reader.predict("城墙建于哪一年?", texts)
    check_within(found, texts)
    assert reader.predict("临江?", []) == []


def test_what_transformers_cannot_load_is_told_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(SpanReaderError, match="folder"):
        load_span_reader(tmp_path / "absent")
