"""Problem: what the API answers when it cannot do as asked (RFC 9457).

Problem              400 … 503, with a stable ``type``
├── questions that are no questions      invalid-request 422, body-too-large 413, not-certified 409
├── too much at once                     queue-full 503 and Retry-After
└── the server's own faults              model-unavailable 503, shutting-down 503, internal 500
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

TYPE = "urn:zhizhi:problem:"
MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """One thing wrong with a request: where (a JSON pointer), and what."""

    pointer: str
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457. ``type`` is stable, ``title`` and ``detail`` are for people."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: list[Fault] | None = None


class Problem(Exception):  # noqa: N818 — the name that RFC 9457 gives it
    """Raised anywhere under a route; ``extra`` members are put into the body as they are."""

    def __init__(
        self,
        status: int,
        name: str | None = None,
        detail: str | None = None,
        *,
        title: str | None = None,
        headers: dict[str, str] | None = None,
        errors: list[Fault] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail or name or str(status))
        self.status = status
        self.name = name
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.headers = headers or {}
        self.errors = errors
        self.extra = extra

    def details(self, instance: str | None = None) -> ProblemDetails:
        return ProblemDetails(
            type=f"{TYPE}{self.name}" if self.name else "about:blank",
            title=self.title,
            status=self.status,
            detail=self.detail,
            instance=instance,
            errors=self.errors,
            **self.extra,
        )

    def response(self, instance: str | None = None) -> Response:
        body = self.details(instance).model_dump_json(exclude_none=True)
        return Response(body, self.status, self.headers, media_type=MEDIA_TYPE)


def queue_full(retry_after: float) -> Problem:
    seconds = max(1, round(retry_after))
    return Problem(
        503,
        "queue-full",
        f"More questions wait than can be answered soon. Try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )


def shutting_down() -> Problem:
    return Problem(
        503,
        "shutting-down",
        "The server is stopping and takes no more questions.",
        headers={"Retry-After": "5", "Connection": "close"},
    )


def body_too_large(limit: int) -> Problem:
    return Problem(413, "body-too-large", f"The request body may have at most {limit} bytes.")
