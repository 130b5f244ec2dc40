"""Layers that change nothing."""

from __future__ import annotations

from typing import Any


def drop_idle_layers(model: Any) -> None:
    """Take the last decoder layers off ``model`` that add nothing to what passes through them.

    The embedded base carries such layers for fine-tuning to fill; until it does, running them is a third of
    the time for the same result, bit for bit. Only the Llama family's module names are looked at;
    other models are left as they are.
    """
    layers = getattr(model.get_decoder(), "layers", None)
    if layers is None:
        return
    used = len(layers)
    while used > 1 and _adds_nothing(layers[used - 1]):
        used -= 1
    if used == len(layers):
        return
    del layers[used:]
    config = model.config.get_text_config()
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:used]
    config.num_hidden_layers = used


def _adds_nothing(layer: Any) -> bool:
    attention = getattr(getattr(layer, "self_attn", None), "o_proj", None)
    feed_forward = getattr(getattr(layer, "mlp", None), "down_proj", None)
    return all(
        part is not None
        and getattr(part, "weight", None) is not None
        and not part.weight.is_meta
        and not part.weight.any()
        and (getattr(part, "bias", None) is None or not part.bias.any())
        for part in (attention, feed_forward)
    )
