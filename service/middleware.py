"""What surrounds every request: its id, its size and time limits, security headers."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import request_id as current_request_id
from service.problems import Problem, body_too_large

logger = logging.getLogger("zhizhi.access")

# A client may name its request; anything odd is replaced, since it goes into logs and headers.
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# A body that has not come whole after this many seconds is given up.
BODY_SECONDS = 30.0
UPLOAD_SECONDS = 600.0  # and one with documents

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# For what is no page: nothing may be loaded on its behalf.
DEFAULT_POLICY = "default-src 'none'; frame-ancestors 'none'"


# Told of every request: its method, its route, the status and the seconds that it took.
OnRequest = Callable[[str, str, int, float], None]
# Polled all the time, and worth no line each.
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestIds:
    """Gives every request an id, in ``scope["state"]["request_id"]`` and in the response; when it is
    done writes a line on it and tells ``on_request``."""

    def __init__(self, app: ASGIApp, on_request: OnRequest | None = None) -> None:
        self.app = app
        self.on_request = on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        state = scope.setdefault("state", {})
        # Deadlines start now, not when a body has come or a place was free.
        state["request_id"], state["arrived"] = request_id, time.monotonic()

        current_request_id.set(request_id)
        started, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", DEFAULT_POLICY)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            self._done(scope, status, time.perf_counter() - started)

    def _done(self, scope: Scope, status: int, seconds: float) -> None:
        # Routes are few, paths are as many as clients like: neither metrics nor logs take paths.
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "other"
        if self.on_request is not None:
            self.on_request(method, route, status, seconds)
        if route not in QUIET:
            extra = {"status": status, "ms": round(1000 * seconds, 1)}
            logger.info("%s %s", method, route, extra=extra)


class HeadRequests:
    """Answers HEAD as GET, without the body: monitors and proxies ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)
        asked = {**scope, "method": "GET"}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app(asked, receive, sending)
        finally:
            scope["route"] = asked.get("route")


class BodyTooLargeError(HTTPException):
    """A body grew above its limit. An HTTPException: FastAPI takes any other for a body that is no JSON."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, problem.detail)
        self.problem = problem


class BodyLimits:
    """Refuses a body that is too large, before it is read where its length is declared, and one
    that does not come."""

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        seconds: float = BODY_SECONDS,
        *,
        uploads: str = "-",
        max_upload_bytes: int = 0,
    ) -> None:
        """``uploads`` is the path to which bodies of up to ``max_upload_bytes`` are sent."""
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds
        self.uploads = uploads
        self.max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        uploading = scope["method"] == "POST" and scope["path"].endswith(self.uploads)
        most = self.max_upload_bytes if uploading else self.max_bytes
        seconds = UPLOAD_SECONDS if uploading else self.seconds
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:18]) > most:
            problem = body_too_large(most)
            problem.headers["Connection"] = "close"  # rather than read what follows
            return await problem.response()(scope, receive, send)

        size, complete = 0, False
        until = asyncio.get_running_loop().time() + seconds

        async def receiving() -> Message:
            nonlocal size, complete
            if complete:  # from here on the only news is that the client hung up
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The request body did not come in time.") from None
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if size > most:
                    raise BodyTooLargeError(body_too_large(most))
            return message

        return await self.app(scope, receiving, send)
