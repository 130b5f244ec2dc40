"""Network: the forward pass of a BERT with a head for spans, in numpy, so that a server needs no torch.

Devlin et al. 2019; post-norm layers, GELU in its tanh form (Hendrycks & Gimpel 2016), which differs
from the exact one by less than 5e-4. The tokens of all inputs stand in one matrix without padding;
attention runs input by input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.reading.encoding import Window
from retrieval.reading.weights import Tensors, WeightsError

Matrix = NDArray[np.float32]
_GELU = np.float32(0.7978845608028654)  # sqrt(2 / pi)


class Scores(NamedTuple):
    """Logits of one input, one a token: the answer starts, ends here."""

    start: Matrix
    end: Matrix


class _Layer(NamedTuple):
    attention: tuple[Matrix, Matrix]  # query, key and value beside each other: (hidden, 3 · hidden)
    mixed: tuple[Matrix, Matrix]
    mixed_norm: tuple[Matrix, Matrix]
    inner: tuple[Matrix, Matrix]
    outer: tuple[Matrix, Matrix]
    outer_norm: tuple[Matrix, Matrix]


class Network:
    """Weights in the layout of transformers' BertForQuestionAnswering."""

    def __init__(self, config: dict[str, Any], tensors: Tensors) -> None:
        try:
            self.heads = int(config["num_attention_heads"])
            self.epsilon = np.float32(config["layer_norm_eps"])
            base = "bert.embeddings."
            self._words = tensors[base + "word_embeddings.weight"]
            self._places = tensors[base + "position_embeddings.weight"]
            self._types = tensors[base + "token_type_embeddings.weight"]
            self.norm = _pair(tensors, base + "LayerNorm")
            layers = range(int(config["num_hidden_layers"]))
            self.layers = [_layer(tensors, f"bert.encoder.layer.{i}.") for i in layers]
            self.head = _linear(tensors, "qa_outputs")
        except KeyError as error:
            raise WeightsError(f"The weights lack {error}: they are no BERT for spans.") from error

    def scores(self, windows: Sequence[Window]) -> list[Scores]:
        """Start and end logits of each input."""
        lengths = [len(window.ids) for window in windows]
        hidden = _normalised(self.embedded(windows), self.norm, self.epsilon)
        edges = np.concatenate([[0], np.cumsum(lengths)])
        for layer in self.layers:
            hidden = self._through(layer, hidden, edges)
        weight, bias = self.head
        logits = hidden @ weight + bias
        return [
            Scores(logits[a:b, 0], logits[a:b, 1])
            for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        ]

    def embedded(self, windows: Sequence[Window]) -> Matrix:
        """(tokens of all inputs, hidden): the sum of word, position and type, not yet normalised."""
        places = np.concatenate([np.arange(len(window.ids)) for window in windows])
        ids = np.concatenate([window.ids for window in windows])
        types = np.concatenate([window.types for window in windows])
        return np.asarray(self._words[ids] + self._places[places] + self._types[types])

    def _through(self, layer: _Layer, hidden: Matrix, edges: NDArray[np.int64]) -> Matrix:
        joint = hidden @ layer.attention[0]
        joint += layer.attention[1]
        mixed = np.empty_like(hidden)
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            mixed[a:b] = _attend(joint[a:b], self.heads)
        update = mixed @ layer.mixed[0]
        update += layer.mixed[1]
        update += hidden
        hidden = _normalised(update, layer.mixed_norm, self.epsilon)
        inner = hidden @ layer.inner[0]
        inner += layer.inner[1]
        update = _gelu(inner) @ layer.outer[0]
        update += layer.outer[1]
        update += hidden
        return _normalised(update, layer.outer_norm, self.epsilon)


def _attend(joint: Matrix, heads: int) -> Matrix:
    """(tokens, 3 · hidden) to (tokens, hidden): softmax(QKᵀ / √d) V, head by head."""
    length, width = joint.shape[0], joint.shape[1] // 3
    query, key, value = joint.reshape(length, 3, heads, width // heads).transpose(1, 2, 0, 3)
    weights = np.matmul(query, key.transpose(0, 2, 1))
    weights *= np.float32((width // heads) ** -0.5)
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.ascontiguousarray(np.matmul(weights, value).transpose(1, 0, 2).reshape(length, width))


def _gelu(x: Matrix) -> Matrix:
    cubed = x * x
    cubed *= np.float32(0.044715)
    cubed += 1
    cubed *= x
    cubed *= _GELU
    np.tanh(cubed, out=cubed)
    cubed += 1
    cubed *= x
    cubed *= np.float32(0.5)
    return cubed


def _normalised(x: Matrix, norm: tuple[Matrix, Matrix], epsilon: np.float32) -> Matrix:
    x -= x.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
    x /= np.sqrt(variance + epsilon)[:, None]
    x *= norm[0]
    x += norm[1]
    return x


def _layer(tensors: Tensors, base: str) -> _Layer:
    parts = [_linear(tensors, f"{base}attention.self.{name}") for name in ("query", "key", "value")]
    joint = (
        np.ascontiguousarray(np.concatenate([weight for weight, _ in parts], axis=1)),
        np.concatenate([bias for _, bias in parts]),
    )
    return _Layer(
        joint,
        _linear(tensors, base + "attention.output.dense"),
        _pair(tensors, base + "attention.output.LayerNorm"),
        _linear(tensors, base + "intermediate.dense"),
        _linear(tensors, base + "output.dense"),
        _pair(tensors, base + "output.LayerNorm"),
    )


def _linear(tensors: Tensors, name: str) -> tuple[Matrix, Matrix]:
    return np.ascontiguousarray(tensors[name + ".weight"].T), tensors[name + ".bias"]


def _pair(tensors: Tensors, name: str) -> tuple[Matrix, Matrix]:
    return tensors[name + ".weight"], tensors[name + ".bias"]
