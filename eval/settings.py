"""EvaluationSettings: how is measured, and when to stop."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from eval.arms import ARMS, ArmName
from service.seams import Sources


class EvaluationSettings(BaseModel):
    """How is measured. A run is resumed only under the settings that it was begun with, but for the
    budgets, which may be raised."""

    model_config = ConfigDict(extra="forbid")

    profile: str | None = None  # operating point; None: the bundle's default
    plain_prompt: int = Field(2, ge=0)  # wording under which the base always answers
    prompt: int = Field(0, ge=0)  # wording of prompt_only: the experiment's
    max_new_tokens: int = Field(40, ge=1)
    sources: Sources = "index"
    arms: tuple[ArmName, ...] = ARMS
    # More arms beside calibrated_fallback: at other certified precisions, and with other sources.
    precisions: tuple[float, ...] = ()
    also_sources: tuple[Sources, ...] = ()
    latency_questions: int = Field(40, ge=0)  # asked one by one, for p50 and p95
    chunk: int = Field(128, ge=1)  # questions to a batch
    threads: int = Field(2, ge=1)  # questions retrieved for at once
    confidence: float = Field(0.95, gt=0, lt=1)  # of the intervals
    resamples: int = Field(1000, ge=20)
    seed: int = 20
    examples: int = Field(12, ge=0)  # gained answers shown in the table

    # Budgets. What is asked is a random sample, the same for every arm, so figures stay honest when
    # the budget ends before the questions do.
    max_questions: int | None = Field(None, ge=1)
    max_minutes: float | None = Field(None, gt=0)

    def identity(self) -> dict[str, object]:
        """What decides the replies: a ledger of others cannot be continued."""
        decides = {"profile", "plain_prompt", "prompt", "max_new_tokens", "sources", "seed"}
        return self.model_dump(include=decides)
