"""Remembered: attempts and readings shared by arms, so that no question is put twice to the same part."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from retrieval.evidence import Reading
from service.seams import Chain, Sources
from training.attempt import Attempt, Attempter
from training.calibrated import CalibratedModel
from training.probe import Told


class Remembered:
    """The model and the retrieval chain behind a memory. Both are deterministic for one question, so
    an arm that asks again would get the same; only its latency must be measured without this.

    ``threads`` bounds how many questions are retrieved for at once. ``told`` is what the model is known to
    say without its adapter.
    """

    def __init__(
        self,
        attempter: Attempter,
        chain: Chain | None,
        *,
        threads: int = 2,
        told: Told | None = None,
    ) -> None:
        self.attempter = attempter
        self.chain = chain
        self._told = told
        self._attempts: dict[str, Attempt] = {}
        self._readings: dict[tuple[str, Sources], Reading] = {}
        self._threads = ThreadPoolExecutor(threads, "evaluation")

    def recall(self, attempts: Mapping[str, Attempt]) -> None:
        """Take over what an earlier run was told, by question."""
        self._attempts.update(attempts)

    def attempts(self, questions: Sequence[str]) -> list[Attempt]:
        """One attempt per question, in order; what is not remembered is asked as one batch."""
        missing = [q for q in dict.fromkeys(questions) if q not in self._attempts]
        if missing:
            attempter = self.attempter
            if self._told and isinstance(attempter, CalibratedModel):
                found = attempter.attempt(missing, self._told)
            else:
                found = attempter.attempt(missing)
            self._attempts.update(zip(missing, found, strict=True))
        return [self._attempts[q] for q in questions]

    async def ask(self, question: str) -> Attempt:
        return self.attempts([question])[0]

    async def read(self, question: str, sources: Sources, deadline: float) -> Reading:
        """The reading of one question. An error is not remembered."""
        key = (question, sources)
        known = self._readings.get(key)
        if known is not None:
            return known
        assert self.chain is not None
        chain = self.chain
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: chain.answer(question, sources=sources, deadline=deadline)
        )
        self._readings[key] = found
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
