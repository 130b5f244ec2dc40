"""Loading: the one place where tokenizers and networks are read, by all that runs or tunes a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.device import best_device, keep_memory, native_dtype
from training.engine.few_shot import FewShot
from training.errors import ModelError


class Loading(TypedDict, total=False):
    """How a base model is loaded: what a recipe says of it and a bundle keeps of it.

    ``dtype`` is "auto" (as the weights are), "native" (bfloat16 where the device multiplies it natively,
    else float32), a precision, or "4bit"; ``device`` is None (the best there is), a device, or "spread"
    (the layers parted over all devices of the machine). ``few_shot`` stands in for a chat template.
    """

    revision: str | None
    dtype: str
    device: str | None
    few_shot: FewShot | None


def load_tokenizer(
    base: str | Path, *, revision: str | None = None, few_shot: FewShot | None = None
) -> Any:
    """The tokenizer of ``base``, with a chat template: its own, or the one that ``few_shot`` makes.

    Raises ModelError where there is no model, or neither template.
    """
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            base, revision=revision, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise _unloadable(base, error) from error
    if few_shot is not None:
        tokenizer.chat_template = few_shot.chat_template
    if not tokenizer.chat_template:
        raise ModelError(
            f"The model {str(base)!r} has no chat template. Use a chat (instruct) model, give the recipe "
            "examples under [few_shot], or add chat_template.jinja to the model's folder."
        )
    return tokenizer


def load_network(
    base: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str | None = None,
    placed: bool = True,
) -> Any:
    """The network of ``base`` in a precision and on a device, as Loading says; where not ``placed``, it is
    left to the caller to put it on one.

    Raises ModelError where there is none.
    """
    keep_memory()
    extra: dict[str, Any] = {"dtype": native_dtype() if dtype == "native" else dtype}
    if dtype == "4bit":
        from training.quantised import four_bit

        extra = {"quantization_config": four_bit()}
    by_transformers = placed and (device == "spread" or dtype == "4bit")  # while it loads
    if by_transformers:
        extra["device_map"] = "auto"
    try:
        network: Any = AutoModelForCausalLM.from_pretrained(
            base, revision=revision, trust_remote_code=False, **extra
        )
    except (OSError, ValueError) as error:
        raise _unloadable(base, error) from error
    if placed and not by_transformers:
        network.to(torch.device(device) if device else best_device())
    return network


def tuning_dtype(method: str, dtype: str = "auto") -> str:
    """In which precision a network is loaded to be tuned: in 4 bits for QLoRA, in float32 to be tuned in full
    (half precision loses small updates), under an adapter as it is asked in."""
    return {"full": "float32", "qlora": "4bit"}.get(method, dtype)


def multiplies_bfloat16(dtype: str) -> bool:
    """Whether a network of that precision is tuned with products in bfloat16: always on a GPU."""
    half = native_dtype() if dtype == "native" else dtype
    return torch.cuda.is_available() or half in (torch.bfloat16, "bfloat16")


def _unloadable(base: str | Path, error: Exception) -> ModelError:
    from training.pretrained.table import pretrained_models

    named = ", ".join(["embedded", *pretrained_models()])
    return ModelError(
        f"Cannot load the model {str(base)!r}: {error} "
        f"A base model is one of {named}, a folder, a .gguf file, or a hub id."
    )
