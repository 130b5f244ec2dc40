"""What an arm costs: model calls, tokens and retrievals per question, and money by a price list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from eval.record import Record


class Prices(BaseModel):
    """A price list; what is not named costs nothing."""

    model_config = ConfigDict(extra="forbid")

    currency: str = "¥"
    million_prompt_tokens: float = Field(0.0, ge=0)
    million_completion_tokens: float = Field(0.0, ge=0)
    thousand_retrievals: float = Field(0.0, ge=0)


def usage(
    records: Sequence[Record], prices: Prices | None = None, base: Sequence[Record] | None = None
) -> dict[str, Any]:
    """Means per question. ``tokens_saved`` is the share of the base arm's completion tokens that this
    arm does not write; None without a base. Where engines report no usage the counts are zero."""
    n = len(records)
    if not n:
        return {}
    found: dict[str, Any] = {
        "lm_calls": sum(r.lm_calls for r in records) / n,
        "prompt_tokens": sum(r.prompt_tokens for r in records) / n,
        "completion_tokens": sum(r.completion_tokens for r in records) / n,
        "retrievals": sum(r.retrieved for r in records) / n,
    }
    written = sum(r.completion_tokens for r in base or ())
    found["tokens_saved"] = (
        1 - sum(r.completion_tokens for r in records) / written if written else None
    )
    if prices is not None:
        found["cost_per_thousand"] = cost_per_thousand(
            found["prompt_tokens"], found["completion_tokens"], found["retrievals"], prices
        )
        found["currency"] = prices.currency
    return found


def cost_per_thousand(
    prompt_tokens: float, completion_tokens: float, retrievals: float, prices: Prices
) -> float:
    """The price of a thousand questions, by the means of one."""
    return (
        prompt_tokens * prices.million_prompt_tokens
        + completion_tokens * prices.million_completion_tokens
    ) / 1000 + retrievals * prices.thousand_retrievals
