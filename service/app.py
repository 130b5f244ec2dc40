"""create_app: the HTTP service over a bundle and a retrieval chain, both passed in."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service.backend import Backend
from service.batch import batch_routes
from service.cache import AnswerCache, MemoryCache, RedisCache
from service.compatible import compatible_routes, error_response, is_compatible
from service.desk import Desk, Observer
from service.documents.library import DocumentLibrary
from service.documents.routes import PATH as DOCUMENTS
from service.documents.routes import capability_routes, document_routes
from service.drift import DriftAlarm
from service.feedback import feedback_routes
from service.guard import Guard
from service.health import health_routes
from service.logs import AnswerLines
from service.metrics import Metrics
from service.middleware import QUIET, BodyLimits, BodyTooLargeError, HeadRequests, RequestIds
from service.native import native_routes
from service.openapi import openapi_document
from service.operations import operations_routes
from service.page import add_page
from service.prior import Prior
from service.problems import Fault, Problem
from service.requests import Example
from service.seams import Chain, DocumentIndex
from service.settings import Settings
from training.attempt import Attempter

if TYPE_CHECKING:
    from service.question_log import QuestionLog

logger = logging.getLogger(__name__)

DESCRIPTION = """Answers what it is sure of, looks up what it is not, and says 我不知道 to the rest.

知之为知之,不知为不知,是知也。"""

# Headers of OpenAI's SDKs: a browser asks beforehand whether it may send them.
STAINLESS = (
    *("Arch", "Async", "Custom-Poll-Interval", "Helper-Method", "Lang", "OS", "Package-Version"),
    *("Poll-Helper", "Read-Timeout", "Retry-Count", "Runtime", "Runtime-Version", "Timeout"),
)

# What FastAPI says of a body that json.loads fails on otherwise than by its syntax: bytes that are no text,
# brackets without end, numbers of thousands of digits.
UNPARSED = "There was an error parsing the body"
# What nginx logs for a client that hung up; nobody is left to read it.
CLIENT_CLOSED_REQUEST = 499


def create_app(
    settings: Settings,
    attempter: Attempter,
    chain: Chain | None = None,
    *,
    examples: Sequence[Example] = (),
    load: Callable[[], tuple[Attempter, Chain | None]] | None = None,
) -> FastAPI:
    """The application. ``attempter`` answers directly, ``chain`` (None: no retrieval) looks things
    up; ``examples`` are offered on the page; ``load`` makes both anew for a reload."""
    metrics, prior, alarm, guard = Metrics(), Prior(), DriftAlarm(), Guard(settings)
    log = _question_log(settings)
    speculate = {"off": None, "unknown": prior.looks_unknown, "always": lambda _: True}

    def backend(attempter: Attempter, chain: Chain | None) -> Backend:
        chosen = speculate[settings.speculate]
        return Backend(attempter, chain, settings, on_batch=metrics.batch, speculate=chosen)

    observers: list[Observer] = [metrics, prior, alarm, AnswerLines(settings.log_questions)]
    if settings.tracing:
        from service.traces import Traces

        observers.append(Traces())
    if log is not None:
        observers.append(log)
        metrics.gauge("zhizhi_log_waiting", "Records that wait for the log.", lambda: log.waiting)
        metrics.gauge("zhizhi_log_dropped", "Records lost to the log.", lambda: log.dropped)
    metrics.gauge("zhizhi_drifted", "Questions differ from the calibration.",
                  lambda: float(alarm.state is not None and alarm.state.drifted))  # fmt: skip
    desk = Desk(
        settings,
        backend(attempter, chain),
        examples=examples,
        cache=_cache(settings),
        observers=observers,
        load=None if load is None else lambda: backend(*load()),
    )
    metrics.watch(desk)
    library = DocumentLibrary(lambda: _index_of(desk), seconds=settings.document_seconds)
    metrics.gauge("zhizhi_documents_waiting", "Uploaded files that are not in the index yet.",
                  lambda: library.waiting)  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if load is not None:
            _reload_on_hangup(desk)
        await run_sync(library.start)
        yield
        await run_sync(library.close, abandon_on_cancel=True)
        # Requests in flight are done by now, or were given up: the threads need not be waited for.
        await run_sync(partial(desk.backend.close, timeout=5.0), abandon_on_cancel=True)
        if desk.cache is not None:
            await desk.cache.close()
        if log is not None:
            await run_sync(log.close, abandon_on_cancel=True)

    app = FastAPI(
        title="Zhizhi 知之",
        version=_version(),
        summary="A question-answering service that knows what it does not know",
        description=DESCRIPTION,
        root_path=settings.root_path,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry={
            "auto_configure": settings.tracing,
            "tracing": settings.tracing,
            "metrics": settings.tracing,
            "logs": False,  # they would repeat what a client sent
            "exclude": lambda scope: scope.get("path") in QUIET,
        },
    )
    app.state.desk = desk
    asking = [Depends(guard.needs("ask"))]
    app.include_router(native_routes(desk, asking))
    app.include_router(batch_routes(desk, guard, asking))
    app.include_router(compatible_routes(desk, asking))
    app.include_router(feedback_routes(log, guard))
    app.include_router(document_routes(library, settings, guard))
    app.include_router(capability_routes(library, guard))
    app.include_router(health_routes(desk, log, guard))
    app.include_router(operations_routes(desk, settings, guard, metrics, alarm))
    add_page(app)
    app.openapi = partial(openapi_document, app)  # type: ignore[method-assign]
    _add_exception_handlers(app)
    app.add_middleware(
        BodyLimits,
        max_bytes=settings.max_body_bytes,
        uploads=DOCUMENTS,
        max_upload_bytes=settings.max_upload_bytes,
    )
    app.add_middleware(HeadRequests)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[
                *("Authorization", "Content-Type", "X-Request-ID"),
                # What OpenAI's SDKs send along from a browser.
                *(f"X-Stainless-{name}" for name in STAINLESS),
                *("OpenAI-Organization", "OpenAI-Project", "OpenAI-Beta"),
            ],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(RequestIds, on_request=metrics.request)
    return app


def _reload_on_hangup(desk: Desk) -> None:
    """SIGHUP loads bundle and index anew, as daemons do."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        try:
            await desk.reload()
        except Exception:  # the old ones go on
            logger.exception("the bundle could not be reloaded")

    def start() -> None:
        task = loop.create_task(reload())
        running.add(task)
        task.add_done_callback(running.discard)

    # Only a main thread may; elsewhere (tests, embedding) there is the admin route.
    with suppress(NotImplementedError, RuntimeError, ValueError, AttributeError):
        loop.add_signal_handler(signal.SIGHUP, start)


def _index_of(desk: Desk) -> DocumentIndex | None:
    """The index in service where documents can be added to it."""
    index: DocumentIndex | None = getattr(desk.backend.chain, "index", None)
    return index


def _cache(settings: Settings) -> AnswerCache | None:
    if settings.cache_size == 0:
        return None
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        return RedisCache.connect(url, settings.cache_seconds)
    return MemoryCache(settings.cache_size, settings.cache_seconds)


def _question_log(settings: Settings) -> QuestionLog | None:
    if settings.log_url is None:
        return None
    # SQLAlchemy is imported only where there is a log to keep.
    from service.question_log import QuestionLog, open_engine, upgrade

    engine = open_engine(settings.log_url.get_secret_value())
    upgrade(engine)
    return QuestionLog(engine, days=settings.log_days, margin=settings.log_margin)


def _version() -> str:
    try:
        return version("zhizhi")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0"


def _add_exception_handlers(app: FastAPI) -> None:
    def render(request: Request, problem: Problem) -> Response:
        # A failure is answered outside of the middleware that would add the id.
        problem.headers["X-Request-ID"] = request.state.request_id
        if is_compatible(request.url.path):
            return error_response(problem)
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
        if isinstance(error, BodyTooLargeError):
            return render(request, error.problem)
        if error.status_code == 400 and error.detail == UNPARSED:
            return render(request, Problem(400, "invalid-json", "The body is not JSON."))
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
