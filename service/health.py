"""/healthz: the process is up. /readyz: it can answer, and if not, which dependency is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from service.desk import Desk
from service.guard import Guard

if TYPE_CHECKING:
    from service.question_log import QuestionLog

# A model that has been busy with one batch for longer than this is taken for hung.
HUNG_SECONDS = 60.0


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """One dependency. What is not required may be down: the service then says so in its answers."""

    name: str
    ok: bool
    required: bool
    detail: str | None = None


class Readiness(BaseModel):
    ready: bool
    checks: list[Check]


def readiness(desk: Desk, log: QuestionLog | None = None, guard: Guard | None = None) -> Readiness:
    """What can be used now. Anybody may read it: it says what is down, the log says why."""
    backend = desk.backend
    batcher = backend.batcher
    hung = batcher.busy_seconds > HUNG_SECONDS
    works = batcher.alive and not hung
    # A model that fails leaves retrieval, as long as it fails at once.
    model = Check(
        name="model",
        ok=works and batcher.failing is None,
        required=not works or backend.chain is None,
        detail="stopped" if not batcher.alive else "hung" if hung
        else f"failing: {batcher.failing.partition('(')[0]}" if batcher.failing else backend.model,
    )  # fmt: skip
    checks = [
        model,
        Check(name="queue", ok=not batcher.full, required=True, detail=f"{batcher.depth} waiting"),
        Check(
            name="retrieval",
            ok=backend.chain is not None,
            required=not backend.has_model,
            detail=backend.index or "not configured",
        ),
    ]
    if log is not None:
        detail = "cannot be written" if log.failing else f"{log.waiting} waiting"
        checks.append(Check(name="log", ok=log.failing is None, required=False, detail=detail))
    if guard is not None and (trouble := guard.key_trouble):
        checks.append(Check(name="keys", ok=False, required=True, detail=trouble))
    return Readiness(ready=all(c.ok for c in checks if c.required), checks=checks)


def health_routes(
    desk: Desk, log: QuestionLog | None = None, guard: Guard | None = None
) -> APIRouter:
    api = APIRouter(tags=["operations"])

    @api.get("/healthz", summary="Is the process up?")
    async def healthz() -> Health:
        return Health()

    @api.get(
        "/readyz",
        summary="Can it answer?",
        responses={503: {"model": Readiness, "description": "A required dependency is down"}},
    )
    async def readyz(response: Response) -> Readiness:
        result = readiness(desk, log, guard)
        response.status_code = 200 if result.ready else 503
        return result

    return api
