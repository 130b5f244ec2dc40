"""Adapters folded into the weights of small models.

A small model spends as much time on its adapters as on itself, token by token. Folded it costs what the
untuned one costs; the price is a copy of its weights.
"""

from __future__ import annotations

import copy
from typing import Any

from torch.nn import Parameter

LARGEST = 1 << 30  # bytes of weights; a copy of more is not worth it


def worth_folding(model: Any) -> bool:
    """Whether ``model`` has adapters, and weights that are plain, in single precision, and few enough to be
    copied. Added to a weight in half precision most of an adapter would be rounded away."""
    from peft import PeftModel

    if not isinstance(model, PeftModel) or getattr(model, "is_quantized", False):
        return False
    if any(p.element_size() < 4 for p in model.parameters()):
        return False
    return sum(p.numel() * p.element_size() for p in model.parameters()) <= LARGEST


def folded(model: Any) -> Any:
    """A copy of a PeftModel as a plain model that says the same, but for the last bits; ``model`` stays as
    it is."""
    plain = merged(copy.deepcopy(model))
    plain.requires_grad_(False)
    return plain.eval()


def merged(model: Any) -> Any:
    """The plain model that a PeftModel becomes, in its own weights; refuses weights that are not finite."""
    if any(getattr(c, "trainable_token_indices", None) for c in model.peft_config.values()):
        _untie(model.get_base_model())
    return model.merge_and_unload(safe_merge=True)


def _untie(model: Any) -> None:
    """Part the input embeddings from the output projection: an adapter's own rows of the latter, merged into
    a weight that both share, would change what the model reads as well."""
    if not model.config.tie_word_embeddings:
        return
    embeddings = model.get_input_embeddings()
    embeddings.weight = Parameter(embeddings.weight.detach().clone(), requires_grad=False)
    model.config.tie_word_embeddings = False
