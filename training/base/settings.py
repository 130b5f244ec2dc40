"""BaseSettings: the embedded base model and how it is trained."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ExposureSettings(BaseModel):
    """How often facts are seen, by popularity rank among the subjects (0 the least, 1 the best known)."""

    model_config = ConfigDict(extra="forbid")

    seen_share: float = Field(0.58, ge=0, le=1)  # share of subjects seen at all
    missing_share: float = Field(0.22, ge=0, le=1)  # share of facts left out of seen subjects
    fewest: int = Field(12, ge=1)  # exposures of the rarest fact that is seen at all
    most: int = Field(120, ge=1)
    statement_share: float = Field(0.4, ge=0, le=1)  # the rest are questions with answers


class BaseSettings(BaseModel):
    """The base model and its training. The defaults are the embedded model's."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 20
    hidden_size: int = 192
    intermediate_size: int = 512
    layers: int = 5
    heads: int = 6
    # Layers appended at the end whose output projections are zero: they change nothing in the base and
    # give fine-tuning a place of its own (a small base is too entangled to be tuned in place).
    spare_layers: int = 2
    vocabulary: int = 4000
    context: int = 512
    exposure: ExposureSettings = ExposureSettings()
    # Drills per fact example. Reading ones are several times longer.
    copy_share: float = Field(0.15, ge=0)
    restate_share: float = Field(0.5, ge=0)
    small_talk_share: float = Field(0.03, ge=0)
    reading_share: float = Field(0.0, ge=0)
    tokens_per_batch: int = Field(6000, ge=64)
    learning_rate: float = 3e-3
    warmup_steps: int = 200
    weight_decay: float = 0.05
    precision: str = Field("auto", pattern="^(auto|fp32|bf16)$")
    checkpoint_steps: int = 200
