"""A deterministic Model that takes its time, to be killed: `python slow_model.py ledger seconds`."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kg_builder.question import Gold, Question
from training.generation import Generation, Message, Sampling
from training.probe import Probe, ProbeSettings, probe

SETTINGS = ProbeSettings(samples=2, chunk=5)


class SlowModel:
    """Answers with a digest of what it was asked and how; ``asked`` is how many conversations it saw."""

    def __init__(self, seconds: float = 0.0, name: str = "slow") -> None:
        self.name = name
        self.seconds = seconds
        self.asked = 0

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Generation]:
        self.asked += len(conversations)
        time.sleep(self.seconds * len(conversations))
        return [
            Generation(
                # U+2028 and U+0085 end lines for str.splitlines, not in JSON Lines
                text=hashlib.sha256(f"{c}{sampling}".encode()).hexdigest()[:8] + "\u2028\u0085岳飞",
                token_logprobs=(-0.25,),
            )
            for c in conversations
        ]


def many_questions(count: int) -> list[Question]:
    return [
        Question(
            id=f"q{i}",
            text=f"人物{i}的父亲是?",
            language="zh",
            subject=f"人物{i}",
            subject_id=f"e{i}",
            relation="father",
            topic=f"人物{i}的父亲",
            gold=Gold(objects=(("岳飞",),)),
            split="train",
        )
        for i in range(count)
    ]


def run(ledger: Path, seconds: float = 0.0, count: int = 60) -> list[Probe]:
    return probe(SlowModel(seconds), many_questions(count), ledger, SETTINGS, progress=False)


if __name__ == "__main__":
    run(Path(sys.argv[1]), float(sys.argv[2]))
