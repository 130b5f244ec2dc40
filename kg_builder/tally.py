"""Tally: how many rows or questions went which way, with samples. Nothing vanishes silently."""

from __future__ import annotations

from collections import Counter
from typing import Any

SAMPLES = 5
SAMPLE_LENGTH = 200


class Tally:
    """Counts by reason, and the first few samples of each reason, cut to a readable length."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.samples: dict[str, list[str]] = {}

    def add(self, reason: str, sample: str = "", count: int = 1) -> None:
        if count <= 0:
            return
        self.counts[reason] += count
        kept = self.samples.setdefault(reason, [])
        if sample and len(kept) < SAMPLES:
            kept.append(clip(sample))

    def merge(self, other: Tally) -> None:
        for reason, count in other.counts.items():
            self.add(reason, count=count)
            kept = self.samples[reason]
            kept.extend(other.samples.get(reason, ())[: SAMPLES - len(kept)])

    @property
    def total(self) -> int:
        return self.counts.total()

    def as_dict(self) -> dict[str, Any]:
        """Reasons by falling count, each with its count and samples."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return {
            reason: {"count": count, "samples": self.samples.get(reason, [])}
            for reason, count in ordered
        }


def clip(text: str) -> str:
    """A sample as one short printable line."""
    text = text[: SAMPLE_LENGTH * 2].replace("\x00", "\\0")
    text = " ".join(text.split())
    return text if len(text) <= SAMPLE_LENGTH else text[: SAMPLE_LENGTH - 1] + "…"
