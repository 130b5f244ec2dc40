"""An output projection in the layout that the processor multiplies fastest with.

For a few rows a small model's whole step is its product with the vocabulary, and on a CPU most of that is the
plain layout's cost: laid out once for it, the product of 16 rows takes half the time (docs/experiments.md).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

LARGEST = 1 << 28  # bytes of weights; a second copy of more is not worth it
ROWS = 64  # the number of rows that the layout is best for


class PackedLinear(nn.Module):
    """``linear`` without a gradient; its weight stays as it was, the packed copy is nobody's parameter."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self._packed, None, "none", [], ""
        )
        return product


def pack_output(model: Any) -> None:
    """Put a PackedLinear in the place of ``model``'s output projection, where that is plain, in single
    precision, on a CPU that has the kernels, and no larger than LARGEST."""
    head = model.get_output_embeddings()
    if (
        type(head) is not nn.Linear
        or head.bias is not None
        or not torch.backends.mkldnn.is_available()
    ):
        return
    weight = head.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    if plain and weight.numel() * weight.element_size() <= LARGEST and _has_kernels():
        model.set_output_embeddings(PackedLinear(head))


def _has_kernels() -> bool:
    # They are made for torch's own compiler, and no promise to anybody else.
    return hasattr(torch.ops.mkldnn, "_reorder_linear_weight") and hasattr(
        torch.ops.mkldnn, "_linear_pointwise"
    )
