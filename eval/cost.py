"""What an arm costs: model calls, tokens and retrievals per question, and money by a price list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from eval.bootstrap import percentile_interval
from eval.metrics import ratio
from eval.record import Record


class Prices(BaseModel):
    """A price list; what is not named costs nothing."""

    model_config = ConfigDict(extra="forbid")

    currency: str = "¥"
    million_prompt_tokens: float = Field(0.0, ge=0)
    million_completion_tokens: float = Field(0.0, ge=0)
    thousand_retrievals: float = Field(0.0, ge=0)


def usage(
    records: Sequence[Record],
    draws: NDArray[np.float64],
    prices: Prices | None = None,
    base: Sequence[Record] | None = None,
    *,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Means per question, each with its bootstrap interval; ``draws`` are the resamples of eval.bootstrap.

    ``tokens_saved`` is the share of the base arm's completion tokens that this arm does not write; None
    without a base. Where engines report no usage the counts are zero.
    """
    if not records:
        return {}
    parts = {
        "lm_calls": [r.lm_calls for r in records],
        "prompt_tokens": [r.prompt_tokens for r in records],
        "completion_tokens": [r.completion_tokens for r in records],
        "retrievals": [r.retrieved for r in records],
    }
    # The first row is the sample itself, so that point and resamples go through the same formulas.
    rows = np.vstack([np.ones(len(records)), draws])
    totals = rows.sum(axis=1)
    means = {name: rows @ np.asarray(part, dtype=float) / totals for name, part in parts.items()}
    written = rows @ np.array([r.completion_tokens for r in base or ()], dtype=float) if base else 0
    saved = 1 - ratio(rows @ np.asarray(parts["completion_tokens"], dtype=float), written)
    means["tokens_saved"] = np.broadcast_to(saved, totals.shape)
    if prices is not None:
        means["cost_per_thousand"] = cost_per_thousand(
            means["prompt_tokens"], means["completion_tokens"], means["retrievals"], prices
        )
    found: dict[str, Any] = {}
    for name, values in means.items():
        known = bool(np.isfinite(values[0]))
        found[name] = float(values[0]) if known else None
        found[f"{name}_interval"] = percentile_interval(values[1:], confidence) if known else None
    if prices is not None:
        found["currency"] = prices.currency
    return found


def cost_per_thousand(
    prompt_tokens: Any, completion_tokens: Any, retrievals: Any, prices: Prices
) -> Any:
    """The price of a thousand questions, by the means of one; numbers or arrays."""
    return (
        prompt_tokens * prices.million_prompt_tokens
        + completion_tokens * prices.million_completion_tokens
    ) / 1000 + retrievals * prices.thousand_retrievals
