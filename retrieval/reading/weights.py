"""Weights of a span reader on disk: as transformers writes them, or with 8 bits a weight.

In the second form a matrix is stored as int8 with one half-precision scale a row (absmax
quantisation); biases and norms stay in half precision. A reader of 16 million weights is 17 MB.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import RetrievalError

WEIGHTS = "model.safetensors"
SCALE = ".scale"
Tensors = dict[str, NDArray[np.float32]]


class WeightsError(RetrievalError):
    """Weights are missing or damaged."""


def load_weights(folder: Path) -> Tensors:
    """All tensors in single precision; raises WeightsError where the file is none of either form."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        held = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{folder / WEIGHTS}: no weights of a reader ({error}).") from error
    return {
        name: tensor.astype(np.float32) * held[name + SCALE].astype(np.float32)[:, None]
        if name + SCALE in held
        else tensor.astype(np.float32)
        for name, tensor in held.items()
        if not name.endswith(SCALE)
    }


def save_quantised(tensors: Tensors, folder: Path) -> None:
    """Write the form with 8 bits a weight."""
    from safetensors.numpy import save_file

    stored: dict[str, NDArray[np.generic]] = {}
    for name, tensor in tensors.items():
        if tensor.ndim != 2:
            stored[name] = tensor.astype(np.float16)
            continue
        # Half precision ends at 6e-8: a row of smaller weights is as good as zero.
        scale = np.maximum(np.abs(tensor).max(axis=1) / 127, 1e-7).astype(np.float16)
        rows = np.rint(tensor / scale.astype(np.float32)[:, None])
        stored[name] = np.clip(rows, -127, 127).astype(np.int8)
        stored[name + SCALE] = scale
    folder.mkdir(parents=True, exist_ok=True)
    save_file(stored, folder / WEIGHTS)
