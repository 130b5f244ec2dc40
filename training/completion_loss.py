"""The loss on completions alone, with logits only where there is a label."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

IGNORE = -100


def completion_loss(
    causal_lm: Any, input_ids: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross-entropy in nats and the logits it was computed from, (labelled positions, vocabulary).

    ``input_ids`` and ``labels`` are (rows, longest), padded on the right, labels with ``IGNORE`` wherever no
    loss counts. No attention mask: with causal attention nothing that counts sees the padding, and
    attention without a mask is several times faster on a CPU. With short answers to long prompts most of
    the projection to the vocabulary is saved.
    """
    following = labels[:, 1:]
    body = causal_lm.get_decoder()
    hidden = body(input_ids=input_ids, use_cache=False).last_hidden_state[:, :-1]
    chosen = following != IGNORE
    logits = causal_lm.get_output_embeddings()(hidden[chosen]).float()
    return functional.cross_entropy(logits, following[chosen], reduction="sum"), logits
