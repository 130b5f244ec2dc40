"""Reader: evidence in, an answer that the evidence supports out, or an honest reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from retrieval.evidence import Evidence, Reading


@runtime_checkable
class Reader(Protocol):
    """``read`` never invents: an answer comes with citations, a refusal with a reason."""

    name: str

    async def read(self, question: str, evidence: Sequence[Evidence]) -> Reading: ...
