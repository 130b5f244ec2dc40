"""The native routes: /v1/qa, /v1/qa/stream, /v1/examples, /v1/operating-points."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from kg_builder.question import Language
from service.answer import Answer
from service.backend import OperatingPoints
from service.connection import arrival, while_connected
from service.desk import Desk, Ticket
from service.openapi import ANSWER_EXAMPLES, STREAM_EXAMPLE, problems
from service.problems import Problem
from service.requests import Example, QaRequest
from service.router import Outcome

# A streamed answer is cut at Chinese characters and after words.
WIDE = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
PIECE = re.compile(rf"[{WIDE}]|[^\s{WIDE}]+\s*|\s+")


def pieces(text: str) -> list[str]:
    """``text`` in the pieces in which it is streamed; joined they give it back."""
    return PIECE.findall(text)


def native_routes(desk: Desk, dependencies: list[Any] | None = None) -> APIRouter:
    api = APIRouter(tags=["questions"])
    asking = APIRouter(prefix="/v1", dependencies=dependencies)

    # Not in a thread: what holds up threads must not hold up questions.
    async def prepare(asked: QaRequest, request: Request) -> Ticket:
        return desk.prepare(asked, arrival(request))

    @asking.post(
        "/qa",
        summary="Ask a question",
        responses={
            200: {"content": {"application/json": {"examples": ANSWER_EXAMPLES}}},
            **problems(400, 401, 403, 409, 413, 422, 429, 503),
        },
    )
    async def ask(request: Request, ticket: Ticket = Depends(prepare)) -> Answer:
        """Answer directly, or from retrieved evidence with citations, or refuse with the reason.

        A refusal is an answer: its status is 200, its `route` is `refused`.
        """
        return (await while_connected(request, desk.answer(ticket))).answer

    @asking.post(
        "/qa/stream",
        summary="Ask a question and watch the answer come",
        response_class=EventSourceResponse,
        responses={
            200: {
                "description": "Events: `step` (a state was entered), `route`, `token` (a piece of "
                "the answer), `citation`, then `final` (the whole answer) or `error` (a problem).",
                "content": {"text/event-stream": {"example": STREAM_EXAMPLE}},
            },
            **problems(400, 401, 403, 409, 413, 422, 429, 503),
        },
    )
    async def stream(
        ticket: Ticket = Depends(prepare),
    ) -> AsyncIterator[ServerSentEvent]:
        """Server-sent events. Pieces of an answer are sent only when it stands: a confidence that
        is judged on the whole answer cannot vouch for half of it."""
        try:
            async for event in desk.run(ticket):
                if isinstance(event, Outcome):
                    for item in events(event.answer):
                        yield item
                else:
                    data = {"state": event.state, "abstention": event.abstention}
                    yield ServerSentEvent(event="step", data=data)
        except Problem as problem:
            yield error_event(problem)
        except Exception:
            yield error_event(Problem(500, "internal", "The server failed; its log says why."))
            raise

    api.include_router(asking)

    @api.get("/v1/examples", summary="Questions to try", responses=problems(422))
    async def examples(
        language: Annotated[Language | None, Query(description="Only of this language.")] = None,
    ) -> list[Example]:
        return [e for e in desk.examples if language is None or e.language == language]

    @api.get("/v1/operating-points", summary="What can be chosen between precision and coverage")
    async def operating_points() -> OperatingPoints:
        """The profiles, and every precision that the bundle can certify, with its thresholds, n
        and coverage."""
        return desk.backend.points

    return api


def error_event(problem: Problem) -> ServerSentEvent:
    return ServerSentEvent(event="error", data=problem.details().model_dump(exclude_none=True))


def events(answer: Answer) -> list[ServerSentEvent]:
    """A finished answer as events."""
    route: dict[str, Any] = {
        "route": answer.route,
        "reason": answer.reason,
        "abstention": answer.abstention,
        "confidence": answer.confidence,
    }
    return [
        ServerSentEvent(event="route", data=route),
        *(ServerSentEvent(event="token", data={"text": piece}) for piece in pieces(answer.answer)),
        *(ServerSentEvent(event="citation", data=citation) for citation in answer.citations),
        ServerSentEvent(event="final", data=answer),
    ]
