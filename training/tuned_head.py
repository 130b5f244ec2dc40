"""The output projection of a model whose adapter tunes single rows of it."""

from __future__ import annotations

from typing import Any

import torch


class TunedHead:
    """``weight`` and ``bias`` of PEFT's wrapper of an output projection, the adapter's rows among the others.

    trl's preference losses multiply by ``get_output_embeddings().weight``: of PEFT's wrapper that is the
    weight without the rows, which then are neither used nor trained.
    """

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper

    @property
    def weight(self) -> torch.Tensor:
        """(vocabulary, width); gradients reach the rows of the adapter that is on."""
        tokens = self._wrapper.token_adapter
        found: torch.Tensor = tokens.base_layer.weight
        if not tokens.disable_adapters and not tokens.merged:
            found = tokens.get_merged_weights(tokens.active_adapters)
        return found

    @property
    def bias(self) -> torch.Tensor | None:
        return self._wrapper.token_adapter.base_layer.bias  # type: ignore[no-any-return]


def show_tuned_head(model: Any) -> None:
    """Let ``get_output_embeddings`` of a PeftModel's base return a TunedHead, where rows of it are tuned."""
    inner = model.get_base_model()
    head = inner.get_output_embeddings()
    if hasattr(head, "token_adapter"):
        inner.get_output_embeddings = lambda: TunedHead(head)
