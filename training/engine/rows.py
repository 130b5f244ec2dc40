"""Row: one completion while it grows, and the random stream that it is drawn with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from training.generation import Sampling


@dataclass
class Row:
    """What is known of one completion while it grows."""

    prompt_tokens: int
    refusal_probability: float | None
    random: torch.Generator | None
    limit: int  # tokens
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    finish: Literal["stop", "length", "aborted"] = "length"

    @property
    def done(self) -> bool:
        return self.finish != "length" or len(self.ids) >= self.limit


def draw(logits: torch.Tensor, rows: list[Row], top_p: float) -> torch.Tensor:
    """One draw a row from the nucleus (Holtzman et al. 2020), each row with its own random stream."""
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
    up_to = ordered.double().cumsum(-1)
    inside = up_to - ordered < top_p
    mass = (ordered * inside).double().sum(-1)
    draws = torch.cat([torch.rand(1, generator=row.random, dtype=torch.float64) for row in rows])
    # The first place at which the accumulated probability exceeds the draw.
    place = (up_to <= (draws.to(mass.device) * mass)[:, None]).sum(-1, keepdim=True)
    place = place.clamp(max=logits.shape[1] - 1)
    return order.gather(1, place).squeeze(1)


def stream_of(sampling: Sampling, prompt: Sequence[int]) -> torch.Generator:
    """The random numbers of one question: the same whatever else is in the batch."""
    digest = hashlib.sha256(f"{sampling.seed}:{list(prompt)}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def apart(prefixes: list[list[int]]) -> list[list[int]]:
    """Without those that begin with another: their probability is in the shorter one's already."""
    kept: list[list[int]] = []
    for ids in sorted(prefixes, key=len):
        if ids and not any(ids[: len(short)] == short for short in kept):
            kept.append(ids)
    return kept
