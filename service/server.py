"""Runs the application under uvicorn: a clear word where the port is taken, a drain on SIGTERM."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from kg_builder.errors import UserError
from service.connections import ConnectionLimits, limited_protocol
from service.guard import check_exposure
from service.logs import configure_logging
from service.settings import PREFIX, Settings, networks

BACKLOG = 2048
# What is left after the drain for closing up; a process that is not gone by then is ended.
CLOSE_SECONDS = 15.0


class BindError(UserError):
    """The address cannot be listened on."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, or BindError that says what is in the way."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise BindError(f"{host}: {error.strerror}. Check {PREFIX}HOST.") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise BindError(_remedy(host, port, error)) from error
    listener.set_inheritable(True)
    return listener


def _remedy(host: str, port: int, error: OSError) -> str:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use. Stop the program that uses it, or set another {PREFIX}PORT."
    if error.errno == errno.EACCES:
        return f"{where} needs more rights. Set {PREFIX}PORT to 1024 or more."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address. Check {PREFIX}HOST."
    return f"{where}: {error.strerror}. Check {PREFIX}HOST and {PREFIX}PORT."


class _Server(uvicorn.Server):
    """Ends by returning. Uvicorn raises the signal again after its drain, which would turn an
    orderly stop into a death by signal.

    What does not end in time, a thread that hangs in a model or in a search, is not waited for: the
    process says on stderr where it hangs, and exits with 1.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_started = on_started
        self.stopped_by: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_started is not None:
            self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.stopped_by is None:
            drain = self.config.timeout_graceful_shutdown or 0
            # A watchdog in C, which waits for no lock: threads that hang are joined at exit.
            faulthandler.dump_traceback_later(drain + CLOSE_SECONDS, exit=True, file=2)
        self.stopped_by = self.stopped_by or sig
        super().handle_exit(sig, frame)


def serve(
    app: ASGIApp,
    settings: Settings,
    *,
    listener: socket.socket | None = None,
    on_started: Callable[[str], None] | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM, let requests in flight finish, and return the exit status.

    It is a process's last work: CLOSE_SECONDS after the drain the process ends in any case.

    Raises ExposureError where other machines could ask without a key.

    ``listener`` is a socket of ``bind()``, taken beforehand so that a port in use is known before
    a model is loaded. ``on_started`` is told the URL once the service answers.
    """
    check_exposure(settings)
    configure_logging(settings)
    os.environ.setdefault("OTEL_SERVICE_NAME", "zhizhi")  # what traces come from
    listener = listener or bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    trusted = networks(settings.trusted_proxies)
    limits = ConnectionLimits(
        header_bytes=settings.max_header_bytes,
        header_seconds=settings.header_seconds,
        per_address=settings.max_connections_per_address,
        trusted=trusted,
    )
    config = uvicorn.Config(
        app,
        http=limited_protocol(limits),
        ws="none",
        proxy_headers=bool(trusted),
        forwarded_allow_ips=[str(network) for network in trusted],
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.drain_seconds,
        server_header=False,
        root_path=settings.root_path,
    )
    server = _Server(
        config, None if on_started is None else lambda: on_started(f"http://{shown}:{port}/")
    )
    server.run(sockets=[listener])
    # 128 + SIGINT is what a shell expects of a program that was interrupted; SIGTERM asked for a
    # drain.
    return 130 if server.stopped_by == signal.SIGINT else 0
