"""create_app: the HTTP service over a bundle and a retrieval chain, both passed in."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service.backend import Backend
from service.desk import Desk
from service.health import health_routes
from service.middleware import BodyLimits, RequestIds
from service.native import native_routes
from service.openapi import openapi_document
from service.page import add_page
from service.problems import Fault, Problem, body_too_large
from service.requests import Example
from service.seams import Chain
from service.settings import Settings
from training.attempt import Attempter

logger = logging.getLogger(__name__)

DESCRIPTION = """Answers what it is sure of, looks up what it is not, and says 我不知道 to the rest.

知之为知之,不知为不知,是知也。"""

# What nginx logs for a client that hung up; nobody is left to read it.
CLIENT_CLOSED_REQUEST = 499


def create_app(
    settings: Settings,
    attempter: Attempter,
    chain: Chain | None = None,
    *,
    examples: Sequence[Example] = (),
) -> FastAPI:
    """The application. ``attempter`` answers directly, ``chain`` (None: no retrieval) looks things
    up; ``examples`` are offered on the page."""
    desk = Desk(settings, Backend(attempter, chain, settings), examples=examples)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        # Requests in flight are done by now, or were given up: the threads need not be waited for.
        await run_sync(partial(desk.backend.close, timeout=5.0), abandon_on_cancel=True)

    app = FastAPI(
        title="Zhizhi 知之",
        version=_version(),
        summary="A question-answering service that knows what it does not know",
        description=DESCRIPTION,
        root_path=settings.root_path,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = desk
    app.include_router(native_routes(desk))
    app.include_router(health_routes(desk))
    add_page(app)
    app.openapi = partial(openapi_document, app)  # type: ignore[method-assign]
    _add_exception_handlers(app, settings)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(RequestIds)
    return app


def _version() -> str:
    try:
        return version("zhizhi")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0"


def _add_exception_handlers(app: FastAPI, settings: Settings) -> None:
    def render(request: Request, problem: Problem) -> Response:
        # A failure is answered outside of the middleware that would add the id.
        problem.headers["X-Request-ID"] = request.state.request_id
        return problem.response(f"urn:zhizhi:request:{request.state.request_id}")

    @app.exception_handler(Problem)
    async def on_problem(request: Request, error: Problem) -> Response:
        return render(request, error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        # The input is not repeated: it may be huge, secret, or no valid Unicode.
        faults = [Fault(pointer=pointer(e["loc"]), detail=e["msg"]) for e in error.errors()]
        if any(e["type"] == "json_invalid" for e in error.errors()):
            return render(
                request, Problem(400, "invalid-json", "The body is not JSON.", errors=faults)
            )
        return render(
            request,
            Problem(422, "invalid-request", "The request is not valid.", errors=faults),
        )

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 413:
            return render(request, body_too_large(settings.max_body_bytes))
        headers = dict(error.headers or {})
        return render(request, Problem(error.status_code, detail=error.detail, headers=headers))

    @app.exception_handler(ClientDisconnect)
    async def on_hung_up(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    @app.exception_handler(Exception)
    async def on_failure(request: Request, error: Exception) -> Response:
        logger.error("request %s failed", request.state.request_id, exc_info=error)
        return render(request, Problem(500, "internal", "The server failed; its log says why."))


def pointer(location: Sequence[int | str]) -> str:
    """A JSON pointer (RFC 6901) into the body, or the name of a parameter."""
    where, *path = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "#/" + "/".join(path) if where == "body" else "/".join([where, *path])
