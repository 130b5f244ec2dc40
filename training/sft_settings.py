"""SFTSettings: how the model is tuned. Apart from the tuning itself so that reading a recipe stays light."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SFTSettings(BaseModel):
    """How the model is tuned. The defaults suit the embedded model; recipes for others set their own."""

    model_config = ConfigDict(extra="forbid")

    # qlora: LoRA on a base in 4 bits (needs bitsandbytes); full: all weights, no adapter.
    method: Literal["lora", "qlora", "full"] = "lora"
    rank: int = Field(32, ge=1)
    alpha: int = Field(64, ge=1)
    layers: list[int] | None = None  # only these decoder layers are tuned; None: all
    # Also tune the vocabulary's row of the token that opens a refusal, so that it can compete with answers.
    refusal_token: bool = False
    # The share of the refusals that are taught to their last word; of the others only the opening, which
    # decides. Less is faster.
    whole_refusals: float = Field(1.0, ge=0, le=1)
    dropout: float = Field(0.0, ge=0, lt=1)  # of the adapters
    epochs: float = Field(3, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    batch_size: int = Field(64, ge=1)
    gradient_accumulation: int = Field(1, ge=1)
    warmup_share: float = Field(0.05, ge=0, lt=1)
    weight_decay: float = 0.0
    evaluations: int = Field(8, ge=1)  # points of the curves after the first
    max_length: int = Field(512, ge=16)
    gradient_checkpointing: bool = False  # less memory, a third more time
    tensorboard: bool = False  # also write the curves to tensorboard/ beside curves.jsonl
    seed: int = 0
    # The checkpoint with the largest share of right answers minus this many times the share of
    # wrong ones on the calibration split is kept.
    wrong_costs: float = Field(1.0, ge=0)
