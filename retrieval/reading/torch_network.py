"""TorchNetwork: the forward pass of ``retrieval.reading.network`` where torch is installed.

Processors with bfloat16 matrix units (Intel AMX, AVX-512 BF16) run it in that form, several times as
fast as in single precision; the logits differ in the second decimal place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.reading.encoding import Window
from retrieval.reading.network import Matrix, Network, Scores
from retrieval.reading.weights import Tensors

if TYPE_CHECKING:
    from torch import Tensor


class TorchNetwork:
    """The interface of ``Network``, on its weights."""

    def __init__(self, config: dict[str, Any], tensors: Tensors) -> None:
        import torch

        network = Network(config, tensors)
        self._dtype = torch.bfloat16 if _has_bfloat16_units() else torch.float32
        self._network = network
        self._norm = self._pair(network.norm)
        self._layers = [tuple(self._pair(part) for part in layer) for layer in network.layers]
        self._head = self._pair(network.head)

    def _pair(self, pair: tuple[Matrix, Matrix]) -> tuple[Tensor, Tensor]:
        import torch

        weight, bias = (torch.from_numpy(part).to(self._dtype) for part in pair)
        return (weight.T.contiguous() if weight.ndim == 2 else weight), bias

    def scores(self, windows: Sequence[Window]) -> list[Scores]:
        """Start and end logits of each input."""
        import torch

        lengths = [len(window.ids) for window in windows]
        embedded = torch.from_numpy(self._network.embedded(windows)).to(self._dtype)
        with torch.inference_mode():
            hidden = self._normalised(embedded, self._norm)
            for layer in self._layers:
                hidden = self._through(layer, hidden, lengths)
            logits = torch.nn.functional.linear(hidden, *self._head).float().numpy()
        edges = np.cumsum([0, *lengths]).tolist()
        return [Scores(logits[a:b, 0], logits[a:b, 1]) for a, b in itertools.pairwise(edges)]

    def _through(
        self, layer: tuple[tuple[Tensor, Tensor], ...], hidden: Tensor, lengths: list[int]
    ) -> Tensor:
        import torch
        from torch.nn.functional import gelu, linear

        attention, mixed, mixed_norm, inner, outer, outer_norm = layer
        joint = linear(hidden, *attention)
        seen = torch.cat([self._attend(part) for part in joint.split(lengths)])
        hidden = self._normalised(hidden + linear(seen, *mixed), mixed_norm)
        return self._normalised(hidden + linear(gelu(linear(hidden, *inner)), *outer), outer_norm)

    def _attend(self, joint: Tensor) -> Tensor:
        """(tokens, 3 · hidden) to (tokens, hidden), as products: the fused kernel is slower here."""
        import torch

        heads, length = self._network.heads, joint.shape[0]
        query, key, value = joint.view(length, 3, heads, -1).permute(1, 2, 0, 3)
        scores = torch.bmm(query * query.shape[-1] ** -0.5, key.transpose(1, 2))
        return torch.bmm(scores.softmax(-1), value).transpose(0, 1).reshape(length, -1)

    def _normalised(self, x: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        from torch.nn.functional import layer_norm

        return layer_norm(x, x.shape[-1:], *norm, float(self._network.epsilon))


def _has_bfloat16_units() -> bool:
    import torch

    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
