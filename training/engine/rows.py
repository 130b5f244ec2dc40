"""Row: one completion while it grows, and the random stream that it is drawn with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from training.generation import Sampling

NUCLEUS = 128  # tokens among which the nucleus is looked for first


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
    p = logits.softmax(-1)
    draws = torch.cat([torch.rand(1, generator=row.random, dtype=torch.float64) for row in rows])
    draws = draws.to(p.device)
    if top_p >= 1:  # the nucleus is everything, in whatever order
        return _place(p, draws, top_p)
    # Sorting a whole vocabulary costs more than the pass that the logits come from, and the nucleus is
    # nearly always within the likeliest few: only the other rows are sorted.
    ordered, order = p.topk(min(NUCLEUS, p.shape[1]), dim=-1)
    chosen = order.gather(1, _place(ordered, draws, top_p)[:, None]).squeeze(1)
    wider = ordered.double().sum(-1) < top_p
    if wider.any():
        ordered, order = p[wider].sort(dim=-1, descending=True, stable=True)
        place = _place(ordered, draws[wider], top_p)
        chosen[wider] = order.gather(1, place[:, None]).squeeze(1)
    return chosen


def _place(p: torch.Tensor, draws: torch.Tensor, top_p: float) -> torch.Tensor:
    """The first place of each row at which the accumulated probability of its nucleus exceeds the draw."""
    up_to = p.double().cumsum(-1)
    mass = (p * (up_to - p < top_p)).double().sum(-1)
    place = (up_to <= (draws * mass)[:, None]).sum(-1)
    return place.clamp(max=p.shape[1] - 1)


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
