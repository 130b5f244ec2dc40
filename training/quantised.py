"""Quantised: how a model is loaded in four bits."""

from __future__ import annotations

from typing import Any

import torch

from training.errors import ModelError


def four_bit() -> Any:
    """NF4 with double quantisation (QLoRA, Dettmers et al. 2023). Raises ModelError without bitsandbytes."""
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "Loading in 4 bits needs bitsandbytes, which is not installed: pip install 'zhizhi[quantised]'."
        ) from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_quant_storage=torch.bfloat16,  # FSDP parts tensors of numbers, not of bytes
    )
