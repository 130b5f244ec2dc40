"""The loss on completions alone, with logits only where there is a label."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

IGNORE = -100


def completion_loss(
    causal_lm: Any, input_ids: torch.Tensor, labels: torch.Tensor, parts: int = 1
) -> tuple[torch.Tensor, int]:
    """Cross-entropy in nats, summed over the labelled positions, and how many these are.

    ``input_ids`` and ``labels`` are (rows, longest), padded on the right, labels with ``IGNORE`` wherever no
    loss counts. No attention mask: with causal attention nothing that counts sees the padding, and
    attention without a mask is several times faster on a CPU. With short answers to long prompts most of
    the projection to the vocabulary is saved. Rows of unlike length are read in ``parts``, each as wide
    as its longest row.
    """
    places = torch.arange(labels.shape[1], device=labels.device)
    ends = torch.where(labels != IGNORE, places, 0).amax(1)  # the last labelled place of each row
    body, head = causal_lm.get_decoder(), causal_lm.get_output_embeddings()
    total, count = torch.zeros((), device=labels.device), 0
    for rows in ends.argsort().chunk(parts):
        width = int(ends[rows].max()) + 1
        following = labels[rows, 1:width]
        chosen = following != IGNORE
        hidden = body(input_ids=input_ids[rows, :width], use_cache=False).last_hidden_state
        logits = head(hidden[:, :-1][chosen]).float()
        total = total + functional.cross_entropy(logits, following[chosen], reduction="sum")
        count += len(logits)
    return total, count
