"""The OpenAI-compatible routes: /v1/chat/completions and /v1/models."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from service.chat import (
    Annotation,
    ChatRequest,
    Choice,
    Completion,
    ErrorBody,
    ErrorObject,
    Logprobs,
    ModelCard,
    ModelList,
    ReplyMessage,
    TokenLogprob,
    UrlCitation,
    Usage,
)
from service.connection import arrival, while_connected
from service.desk import Desk, Ticket
from service.dialogue import last_question
from service.native import pieces
from service.problems import Problem
from service.requests import QaRequest
from service.router import Outcome
from service.seams import PROFILES

# The name under which whatever bundle is served can be asked for; with ":PROFILE" a profile of it.
ALIAS = "zhizhi"
KEEP_ALIVE = b": waiting\n\n"

ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}


def is_compatible(path: str) -> bool:
    """Whether a path's errors have OpenAI's form."""
    return re.match(r"^/v1/(chat|models)(/|$)", path) is not None


def error_object(problem: Problem) -> ErrorObject:
    fallback = "server_error" if problem.status >= 500 else "invalid_request_error"
    message = problem.detail or problem.title
    if problem.errors:
        message += " " + "; ".join(f"{fault.pointer}: {fault.detail}" for fault in problem.errors)
    return ErrorObject(
        error=ErrorBody(
            message=message,
            type=ERROR_TYPES.get(problem.status, fallback),
            param=problem.errors[0].pointer if problem.errors else None,
            code=(problem.name or "").replace("-", "_") or None,
        )
    )


def error_response(problem: Problem) -> Response:
    body = error_object(problem).model_dump()
    return JSONResponse(body, problem.status, headers=problem.headers)


def compatible_routes(desk: Desk, dependencies: list[Any] | None = None) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["openai"], dependencies=dependencies)
    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorObject} for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)
    }

    @api.post(
        "/chat/completions",
        summary="Chat completion, as OpenAI's API has it",
        response_model=Completion,
        responses=errors,
    )
    async def complete(asked: ChatRequest, request: Request) -> Any:
        """The last user message is answered; earlier ones only lend it their subject (「那英国呢?」).

        System messages and sampling parameters have no effect. Evidence comes as `annotations`; the
        route, the reason and the confidence as `zhizhi`."""
        ticket = desk.prepare(question_of(asked, desk), arrival(request))
        if not asked.stream:
            outcome = await while_connected(request, desk.answer(ticket))
            return completion(outcome, asked)
        return StreamingResponse(
            chunks(desk, ticket, asked),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    @api.get("/models", summary="The bundle that is served, and its profiles", responses=errors)
    async def models() -> ModelList:
        return ModelList(data=[ModelCard(id=name, created=STARTED) for name in names(desk)])

    @api.get("/models/{model:path}", summary="One model", responses=errors)
    async def model(model: str) -> ModelCard:
        known(model, desk)
        return ModelCard(id=model, created=STARTED)

    return api


STARTED = int(time.time())


def names(desk: Desk) -> list[str]:
    profiles = [name for name in PROFILES if name in desk.backend.points.profiles]
    return [desk.backend.model, ALIAS, *(f"{ALIAS}:{profile}" for profile in profiles)]


def known(model: str, desk: Desk) -> None:
    if model not in names(desk):
        raise Problem(
            404,
            "model-not-found",
            f"There is no model {model[:100]!r}. There are: {', '.join(names(desk))}.",
        )


def question_of(asked: ChatRequest, desk: Desk) -> QaRequest:
    """The question that a conversation ends with. Raises Problem for what cannot be honoured."""
    known(asked.model, desk)
    if asked.n not in (None, 1):
        raise Problem(400, "unsupported", "There is one answer to a question: n must be 1.")
    if asked.tools:
        raise Problem(400, "unsupported", "Tools cannot be called: leave out tools.")
    if (asked.response_format or {}).get("type", "text") != "text":
        raise Problem(400, "unsupported", "Answers are text: leave out response_format.")
    turns = [message for message in asked.messages if message.role == "user"]
    if not turns or asked.messages[-1].role != "user":
        raise Problem(400, "no-question", "The last message must be the user's question.")
    for turn in turns[-1:]:
        if isinstance(turn.content, list) and any(p.type != "text" for p in turn.content):
            raise Problem(400, "unsupported", "Only text can be read.")
    options = asked.zhizhi.model_dump(exclude_none=True)
    profile = asked.model.partition(":")[2] if asked.model.startswith(f"{ALIAS}:") else None
    if profile and "profile" not in options:
        options["profile"] = profile
    question = last_question([turn.text for turn in turns if turn.text.strip()] or [""])
    try:
        return QaRequest(question=question, **options)
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        raise Problem(400, "no-question", f"The last message is no question: {fault}") from None


def annotations(outcome: Outcome) -> list[Annotation]:  # type: ignore[no-redef]
    return [
        Annotation(
            url_citation=UrlCitation(
                start_index=citation.start,
                end_index=citation.end,
                # A passage of the index may have no address; it has a name all the same.
                url=citation.url or f"urn:zhizhi:passage:{quote(citation.passage_id)}",
                title=citation.title,
            )
        )
        for citation in outcome.answer.citations
    ]


def logprobs(outcome: Outcome) -> Logprobs | None:
    """Of a direct answer, where the engine gives one figure for each character of it."""
    attempt, answer = outcome.attempt, outcome.answer
    if answer.route != "direct" or attempt is None:
        return None
    values = attempt.generation.token_logprobs
    tokens = list(attempt.generation.text)
    # The end token has a figure too and is not shown.
    if len(values) not in (len(tokens), len(tokens) + 1) or "".join(tokens) != answer.answer:
        return None
    return Logprobs(
        content=[
            TokenLogprob(token=token, logprob=value, bytes=list(token.encode()))
            for token, value in zip(tokens, values, strict=False)
        ]
    )


def about(outcome: Outcome) -> dict[str, Any]:
    kept = {
        "route",
        "reason",
        "explanation",
        "abstention",
        "confidence",
        "citations",
        "index",
        "closest",
        "gap",
        "as_of",
    }
    kept |= {"question", "provider", "threshold", "operating_point", "promise"}
    kept |= {"cached", "timings_ms"}
    return outcome.answer.model_dump(mode="json", include=kept)


def usage(outcome: Outcome) -> Usage:
    return Usage.model_validate(outcome.answer.usage, extra="ignore")


def completion(outcome: Outcome, asked: ChatRequest) -> Completion:
    message = ReplyMessage(content=outcome.answer.answer, annotations=annotations(outcome))  # type: ignore[operator]
    choice = Choice(message=message, logprobs=logprobs(outcome) if asked.logprobs else None)
    return Completion(
        id=f"chatcmpl-{outcome.answer.id}",
        created=int(time.time()),
        model=outcome.answer.model,
        choices=[choice],
        usage=usage(outcome),
        zhizhi=about(outcome),
    )


async def chunks(desk: Desk, ticket: Ticket, asked: ChatRequest) -> AsyncIterator[bytes]:
    """The completion in pieces, once it stands; comments keep the connection until then."""
    head = {
        "id": f"chatcmpl-{ticket.request.id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": ticket.backend.model,
    }

    def chunk(delta: dict[str, Any], **choice: Any) -> bytes:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} | choice]
        return event(head | {"choices": choices})

    try:
        yield chunk({"role": "assistant", "content": ""})
        outcome: Outcome | None = None
        async for step in desk.run(ticket):
            if isinstance(step, Outcome):
                outcome = step
            else:
                yield KEEP_ALIVE
        assert outcome is not None
        figures = logprobs(outcome) if asked.logprobs else None
        if figures is not None:
            for token in figures.content:
                entry = {"content": [token.model_dump()], "refusal": None}
                yield chunk({"content": token.token}, logprobs=entry)
        else:
            for piece in pieces(outcome.answer.answer):
                yield chunk({"content": piece})
        found = [annotation.model_dump() for annotation in annotations(outcome)]  # type: ignore[operator]
        if found:
            yield chunk({"annotations": found})
        last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
        yield event(head | {"choices": [last], "zhizhi": about(outcome)})
        if asked.stream_options and asked.stream_options.include_usage:
            yield event(head | {"choices": [], "usage": usage(outcome).model_dump()})
        yield format_sse_event(data_str="[DONE]")
    except Problem as problem:
        yield event(error_object(problem).model_dump())
    except Exception:
        yield event(error_object(Problem(500, "internal", "The server failed.")).model_dump())
        raise


def event(data: dict[str, Any]) -> bytes:
    import json

    return format_sse_event(data_str=json.dumps(data, ensure_ascii=False))
