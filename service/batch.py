"""POST /v1/qa/batch: many questions in one request, each with its own options and its own fate."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from service.answer import Answer
from service.connection import while_connected
from service.desk import Desk
from service.guard import Guard
from service.openapi import problems
from service.problems import Problem, ProblemDetails
from service.requests import QaRequest

MAX_BATCH = 256
# Questions of one request that are under way at a time: others want an answer too.
AT_A_TIME = 32


class BatchRequest(BaseModel):
    """Up to MAX_BATCH questions."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"requests": [{"question": "岳云的父亲是?"}, {"question": "Who wrote Hamlet?"}]}
            ]
        },
    )

    requests: list[QaRequest] = Field(min_length=1, max_length=MAX_BATCH)


class BatchResult(BaseModel):
    """The answer to one question of the batch, or the problem with it."""

    answer: Answer | None = None
    problem: ProblemDetails | None = None


class BatchResponse(BaseModel):
    """``results`` are in the order of the requests."""

    results: list[BatchResult]


def batch_routes(desk: Desk, guard: Guard, dependencies: list[Any] | None = None) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["questions"], dependencies=dependencies)

    @api.post(
        "/qa/batch",
        summary="Ask many questions",
        responses=problems(400, 401, 403, 413, 422, 429),
    )
    async def batch(asked: BatchRequest, request: Request) -> BatchResponse:
        """Every question is answered or has a problem of its own: a full queue is waited for. Each counts
        as a request where a rate is set."""
        await guard.count_more(request, len(asked.requests) - 1)
        # Half of the queue at most, so that one client's batch does not lock out the others.
        places = asyncio.Semaphore(max(1, min(AT_A_TIME, desk.settings.max_queue // 2)))

        async def one(item: QaRequest) -> BatchResult:
            async with places:
                return await _one(desk, item)

        work = asyncio.gather(*(one(item) for item in asked.requests))

        async def all_of_them() -> list[BatchResult]:
            return await work

        return BatchResponse(results=await while_connected(request, all_of_them()))

    return api


async def _one(desk: Desk, asked: QaRequest, tries: int = 5) -> BatchResult:
    while True:
        try:
            outcome = await desk.answer(desk.prepare(asked))
            return BatchResult(answer=outcome.answer)
        except Problem as problem:
            tries -= 1
            if problem.name != "queue-full" or tries <= 0:
                return BatchResult(problem=problem.details())
            await asyncio.sleep(float(problem.headers["Retry-After"]))
