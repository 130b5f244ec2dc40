"""What the hardware can do."""

from __future__ import annotations

import torch


def cpu_has_bf16() -> bool:
    """Whether matrix products in bfloat16 are native. Elsewhere they are emulated, tens of times slower."""
    return bool(
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
