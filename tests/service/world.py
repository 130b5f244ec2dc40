"""A small world for the service: a model that knows a few facts and how sure it is of them, a
library that has a few passages, passed in where the bundle and the index would be."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from kg_builder.errors import UserError
from kg_builder.passage import Passage
from retrieval.evidence import Citation, Evidence, Reading
from service.requests import Example
from service.seams import Sources
from training.attempt import Attempt, OperatingPoint
from training.generation import Generation

CAPITAL = "法国的首都是哪里?"
FATHER = "岳云的父亲是?"
PHONE = "李白的手机号码是多少?"
HAMLET = "Who wrote Hamlet?"
GUESS = "Who painted the ceiling of the village hall?"

# question: (answer, confidence, the model's own refusal)
FACTS = {
    CAPITAL: ("法国的首都是巴黎。", 0.97, ""),
    HAMLET: ("William Shakespeare wrote Hamlet.", 0.99, ""),
    FATHER: ("岳云的父亲是岳雷。", 0.12, "我不知道和“岳云的父亲”相关的信息。"),
    PHONE: ("12345", 0.02, "我不知道和“李白的手机号码”相关的信息。"),
    GUESS: ("Michelangelo.", 0.55, ""),
}
# What this bundle's calibration can promise: (precision, threshold, coverage).
CURVE = ((0.5, 0.05, 0.9), (0.7, 0.3, 0.75), (0.8, 0.5, 0.7), (0.9, 0.8, 0.5), (0.95, 0.9, 0.4))


class SmallModel:
    """Knows FACTS. ``seconds`` is what a batch costs; ``hold`` keeps it at work until it is set."""

    name = "small-1"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[list[str]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.started = threading.Semaphore(0)

    def attempt(self, questions: Sequence[str]) -> list[Attempt]:
        self.batches.append(list(questions))
        self.started.release()
        time.sleep(self.seconds)
        assert self.hold.wait(20)
        return [self._one(question) for question in questions]

    def _one(self, question: str) -> Attempt:
        if question == "crash":
            raise RuntimeError("the weights are on fire")
        text, confidence, refusal = FACTS.get(question, ("也许。", 0.2, ""))
        tokens = len(refusal or text)
        return Attempt(
            text=text,
            refused=bool(refusal),
            refusal_text=refusal,
            confidence=confidence,
            signals={"refusal": 1 - confidence},
            generation=Generation(
                text=refusal or text,
                token_logprobs=(-0.1,) * tokens,
                prompt_tokens=len(question),
                completion_tokens=tokens,
            ),
        )

    def operating_point(
        self, *, profile: str | None, min_precision: float | None
    ) -> OperatingPoint:
        wanted = min_precision or {"webqa": 0.9, "chat": 0.7, "strict": 0.95}[profile or "webqa"]
        for precision, threshold, coverage in CURVE:
            if precision >= wanted:
                return OperatingPoint(
                    name=profile or f"precision≥{wanted}",
                    threshold=threshold,
                    target_precision=wanted,
                    certified=True,
                    n=400,
                    coverage=coverage,
                    delta=0.05,
                )
        raise UserError(f"A precision of {wanted} cannot be certified.")


class SmallLibrary:
    """Has one passage, about 岳云; the web knows nothing."""

    name = "library-1"

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.seconds = seconds
        self.error = error
        self.asked: list[tuple[str, Sources]] = []

    def answer(self, question: str, *, sources: Sources, deadline: float | None) -> Reading:
        assert deadline is None or deadline > 0
        self.asked.append((question, sources))
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        if sources == "web":
            return Reading(answer=None, reason="no_results", provider="web")
        passage = Passage(
            id="岳云#0", title="岳云", text="岳云,字应祥号会卿,是岳飞之子。岳云的父亲是岳飞。"
        )
        evidence = (Evidence(passage=passage, score=0.9, provider="library"),)
        if "岳云" not in question:
            return Reading(
                answer=None,
                reason="insufficient_evidence",
                evidence=evidence,
                provider="library",
            )
        return Reading(
            answer="岳云的父亲是岳飞。",
            confidence=0.93,
            citations=(
                Citation(
                    number=1,
                    passage_id="岳云#0",
                    title="岳云",
                    quote="岳云的父亲是岳飞",
                    start=0,
                    end=8,
                ),
            ),
            evidence=evidence,
            provider="library",
            timings_ms={"search": 1.0, "read": 2.0},
        )


EXAMPLES = (
    Example(question=CAPITAL, language="zh", kind="known"),
    Example(question=FATHER, language="zh", kind="unknown"),
    Example(question=PHONE, language="zh", kind="unanswerable"),
    Example(question=HAMLET, language="en", kind="known"),
)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client
