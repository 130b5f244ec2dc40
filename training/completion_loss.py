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
        logits = project(head, hidden[:, :-1][chosen]).float()
        total = total + functional.cross_entropy(logits, following[chosen], reduction="sum")
        count += len(logits)
    return total, count


def project(head: Any, hidden: torch.Tensor) -> torch.Tensor:
    """``head(hidden)``, (places, width) → (places, vocabulary), for an output projection of which an adapter
    tunes single rows.

    PEFT puts those rows into a copy of the whole weight, so that a gradient of the whole weight is formed
    to train one row of it: a seventh of a small model's step.
    """
    tokens: Any = getattr(head, "token_adapter", None)
    adapters = [] if tokens is None or tokens.merged else tokens.active_adapters
    if len(adapters) != 1 or tokens.disable_adapters:
        logits: torch.Tensor = head(hidden)
        return logits
    rows = tokens.trainable_tokens_delta[adapters[0]].to(hidden)
    places = torch.tensor(tokens.token_indices[adapters[0]], device=hidden.device)
    logits = tokens.base_layer(hidden)
    return logits.index_copy(-1, places, functional.linear(hidden, rows))
