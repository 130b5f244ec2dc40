"""What operators use: /metrics, and /v1/admin to look at drift and to exchange bundle and index."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from service.desk import Desk
from service.drift import Drift, DriftAlarm
from service.guard import Guard
from service.metrics import CONTENT_TYPE, Metrics
from service.openapi import problems
from service.settings import Settings


class Serving(BaseModel):
    """What is served now."""

    model: str
    index: str | None


class Status(Serving):
    """``drift`` is null until enough questions have been asked."""

    drift: Drift | None


def operations_routes(
    desk: Desk, settings: Settings, guard: Guard, metrics: Metrics, alarm: DriftAlarm
) -> APIRouter:
    api = APIRouter(tags=["operations"])
    admin: Any = Depends(guard.needs("admin"))

    @api.get("/metrics", summary="Metrics for Prometheus", response_class=Response,
             responses={200: {"content": {"text/plain": {}}}, **problems(401, 403)})  # fmt: skip
    async def scrape(request: Request) -> Response:
        if settings.keys_file is not None and not settings.metrics_open:
            guard.caller(request, "admin")
        return Response(metrics.exposition(desk), media_type=CONTENT_TYPE)

    @api.get(
        "/v1/admin/status",
        summary="What is served, and whether the questions have drifted",
        dependencies=[admin],
        responses=problems(401, 403, 429),
    )
    async def status() -> Status:
        backend = desk.backend
        return Status(model=backend.model, index=backend.index, drift=alarm.state)

    @api.post(
        "/v1/admin/reload",
        summary="Load bundle and index anew, without losing a request",
        dependencies=[admin],
        responses=problems(401, 403, 409, 429, 500, 501),
    )
    async def reload() -> Serving:
        backend = await desk.reload()
        return Serving(model=backend.model, index=backend.index)

    return api
