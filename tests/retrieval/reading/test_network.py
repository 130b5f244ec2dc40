"""The forward pass in numpy against that of transformers, on random weights."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForQuestionAnswering

from retrieval.reading.encoding import Window
from retrieval.reading.network import Network
from retrieval.reading.span_reader import decode
from retrieval.reading.torch_network import TorchNetwork
from retrieval.reading.weights import WEIGHTS, Tensors, WeightsError, load_weights

WORDS, TYPES, PAD = 200, 10, 1
CONFIG = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "hidden_act": "gelu",
    "vocab_size": WORDS,
    "max_position_embeddings": 64,
    "type_vocab_size": TYPES,
    "layer_norm_eps": 1e-12,
    "pad_token_id": PAD,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


@pytest.fixture(scope="module")
def model() -> BertForQuestionAnswering:
    """Every weight and bias is random, and large enough for the layers to matter."""
    torch.manual_seed(0)
    made = BertForQuestionAnswering(BertConfig(**CONFIG)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            centre = 1.0 if parameter.dim() == 1 and bool((parameter == 1).all()) else 0.0
            parameter.copy_(centre + 0.2 * torch.randn_like(parameter))
    return made


@pytest.fixture(scope="module")
def tensors(model: BertForQuestionAnswering, tmp_path_factory: pytest.TempPathFactory) -> Tensors:
    folder = tmp_path_factory.mktemp("weights")
    save_file(model.state_dict(), folder / WEIGHTS)
    return load_weights(folder)


def windows(*lengths: int) -> list[Window]:
    rng = random.Random(len(lengths))
    return [
        Window(
            [rng.randrange(2, WORDS) for _ in range(length)],
            [rng.randrange(TYPES) for _ in range(length)],
            5,
            [(2 * place, 2 * place + 1) for place in range(length - 6)],
        )
        for length in lengths
    ]


def by_torch(model: BertForQuestionAnswering, window: Window) -> tuple[np.ndarray, np.ndarray]:
    with torch.inference_mode():
        found = model(
            input_ids=torch.tensor([window.ids]), token_type_ids=torch.tensor([window.types])
        )
    return found.start_logits[0].numpy(), found.end_logits[0].numpy()


def test_the_logits_are_those_of_torch(model: BertForQuestionAnswering, tensors: Tensors) -> None:
    asked = windows(40, 7, 64, 23)
    found = Network(CONFIG, tensors).scores(asked)
    assert len(found) == len(asked)
    for window, scores in zip(asked, found, strict=True):
        start, end = by_torch(model, window)
        assert start.std() > 0.1  # else anything would agree
        np.testing.assert_allclose(scores.start, start, atol=1e-2)
        np.testing.assert_allclose(scores.end, end, atol=1e-2)


def test_the_spans_are_those_of_torch(model: BertForQuestionAnswering, tensors: Tensors) -> None:
    for window, scores in zip(
        windows(40, 50, 64), Network(CONFIG, tensors).scores(windows(40, 50, 64)), strict=True
    ):
        found = decode(scores.start, scores.end, window.offsets, window.first)
        expected = decode(*by_torch(model, window), window.offsets, window.first)
        assert [one[:2] for one in found.spans] == [one[:2] for one in expected.spans]
        assert found.score == pytest.approx(expected.score, abs=3e-2)


def test_an_input_is_read_the_same_whatever_stands_beside_it(tensors: Tensors) -> None:
    network = Network(CONFIG, tensors)
    asked = windows(40, 7, 64, 23)
    together = network.scores(asked)
    for window, scores in zip(asked, together, strict=True):
        (alone,) = network.scores([window])
        np.testing.assert_allclose(scores.start, alone.start, atol=1e-4)
        np.testing.assert_allclose(scores.end, alone.end, atol=1e-4)


def test_reading_leaves_the_weights_as_they_were(tensors: Tensors) -> None:
    before = {name: tensor.copy() for name, tensor in tensors.items()}
    network = Network(CONFIG, tensors)
    first = network.scores(windows(12))
    again = network.scores(windows(12))
    np.testing.assert_array_equal(first[0].start, again[0].start)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, before[name])


def test_types_matter(tensors: Tensors) -> None:
    network = Network(CONFIG, tensors)
    (window,) = windows(20)
    (one,) = network.scores([window])
    (other,) = network.scores([window._replace(types=[0] * 20)])
    assert np.abs(one.start - other.start).max() > 0.1


def test_both_engines_agree_on_inputs_of_several_lengths(tensors: Tensors) -> None:
    asked = windows(40, 7, 64)
    # bfloat16, where the processor has units for it, is good to the second decimal place.
    for one, other in zip(
        Network(CONFIG, tensors).scores(asked),
        TorchNetwork(CONFIG, tensors).scores(asked),
        strict=True,
    ):
        assert one.start.shape == other.start.shape
        np.testing.assert_allclose(one.start, other.start, atol=0.15)
        np.testing.assert_allclose(one.end, other.end, atol=0.15)


@pytest.mark.parametrize(
    "name",
    [
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.2.output.LayerNorm.bias",
        "qa_outputs.weight",
    ],
)
def test_weights_that_are_no_bert_for_spans_are_refused(tensors: Tensors, name: str) -> None:
    fewer = {key: tensor for key, tensor in tensors.items() if key != name}
    with pytest.raises(WeightsError, match=name):
        Network(CONFIG, fewer)


def test_both_engines_refuse_what_is_missing_as_an_error_of_theirs(tensors: Tensors) -> None:
    fewer = {key: tensor for key, tensor in tensors.items() if key != "qa_outputs.weight"}
    with pytest.raises(WeightsError, match="qa_outputs"):
        TorchNetwork(CONFIG, fewer)


def test_a_configuration_that_lacks_something_is_refused(tensors: Tensors) -> None:
    with pytest.raises(WeightsError, match="num_attention_heads"):
        Network({k: v for k, v in CONFIG.items() if k != "num_attention_heads"}, tensors)


def test_half_precision_reads_nearly_the_same(tensors: Tensors, tmp_path: Path) -> None:
    from safetensors.numpy import save_file as save_arrays

    halves = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
    save_arrays(halves, tmp_path / WEIGHTS)
    half = Network(CONFIG, load_weights(tmp_path)).scores(windows(30))[0]
    full = Network(CONFIG, tensors).scores(windows(30))[0]
    np.testing.assert_allclose(half.start, full.start, atol=3e-2)
