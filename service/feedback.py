"""POST /v1/feedback: what somebody says of an answer, kept with the question for the next training."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from anyio import CapacityLimiter, fail_after
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from service.guard import Caller, Guard
from service.openapi import problems
from service.problems import Problem
from service.requests import MAX_QUESTION

if TYPE_CHECKING:
    from service.question_log import QuestionLog

logger = logging.getLogger(__name__)

# Threads that may wait for the question log. They are its own: a log that is locked holds up feedback,
# never a question.
WRITERS = 2
WRITE_SECONDS = 5.0


class Feedback(BaseModel):
    """``question`` is needed only where the answer is so old that the service forgot it."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "answer_id": "5d1f6a0e7f0b4f0cb2f6b8a3c1d2e3f4",
                    "rating": "down",
                    "correct_answer": "岳飞",
                }
            ]
        },
    )

    answer_id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    rating: Literal["up", "down"]
    question: str | None = Field(default=None, max_length=MAX_QUESTION)
    correct_answer: str | None = Field(default=None, max_length=1000)
    comment: str | None = Field(default=None, max_length=2000)


class Thanks(BaseModel):
    """The feedback is stored."""

    stored: Literal[True] = True


def feedback_routes(log: QuestionLog | None, guard: Guard) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["feedback"])
    writers: CapacityLimiter | None = None
    allowed: Any = Depends(guard.needs("feedback"))

    @api.post(
        "/feedback",
        status_code=201,
        summary="Say whether an answer was right",
        responses=problems(400, 401, 403, 413, 422, 429, 501, 503),
    )
    async def feedback(said: Feedback, caller: Caller = allowed) -> Thanks:
        """Once this answers, the feedback is on disk."""
        nonlocal writers
        if log is None:
            raise Problem(501, "no-log", "This server keeps no question log.")
        from sqlalchemy.exc import SQLAlchemyError

        def write() -> None:
            # PostgreSQL has no room for NUL in a text.
            values = {
                name: value.replace("\x00", "") if isinstance(value, str) else value
                for name, value in said.model_dump(exclude={"answer_id", "rating"}).items()
            }
            log.feedback(said.answer_id, said.rating, caller=caller.name, **values)

        try:
            writers = writers or CapacityLimiter(WRITERS)  # belongs to the event loop
            with fail_after(WRITE_SECONDS):
                await run_sync(write, limiter=writers, abandon_on_cancel=True)
        except (SQLAlchemyError, TimeoutError) as error:
            logger.error("feedback cannot be written: %s", error)
            detail = "The question log cannot be written; please send it again later."
            raise Problem(503, "log-unavailable", detail, headers={"Retry-After": "30"}) from error
        return Thanks()

    return api
