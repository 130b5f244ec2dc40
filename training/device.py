"""What the hardware can do."""

from __future__ import annotations

import ctypes

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)


def keep_memory() -> None:
    """Tell glibc to keep freed memory for the next step instead of giving it back to the kernel.

    Training frees and takes the same large tensors at every step; as page faults they cost a third of the
    time on a CPU. Does nothing where the C library is another.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, 1 << 30)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def cpu_has_bf16() -> bool:
    """Whether matrix products in bfloat16 are native. Elsewhere they are emulated, tens of times slower."""
    return bool(
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def native_dtype() -> torch.dtype:
    """bfloat16 where the best device multiplies it natively (a GPU; AMX or AVX512-BF16), else float32."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    units = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if units else torch.float32


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
