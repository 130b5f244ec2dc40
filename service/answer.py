"""Answer and Route: what the endpoint says, and which way it came."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from retrieval.evidence import Citation

Route = Literal["direct", "retrieval", "refused"]


class Answer(BaseModel):
    """The outcome of one question, however it was reached.

    A refusal carries the honest sentence in ``answer`` and a machine-readable ``reason``; ``confidence``
    is the calibrated probability that the direct answer (or the reading, on that route) is correct.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str
    answer: str
    route: Route
    reason: str | None = None
    confidence: float | None = None
    citations: tuple[Citation, ...] = ()
    model: str  # the bundle that made it
    index: str | None = None
    provider: str | None = None
    threshold: float | None = None
    timings_ms: dict[str, float] = {}
    usage: dict[str, int] = {}
