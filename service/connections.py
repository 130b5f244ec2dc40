"""Connections: what a peer may hold open before it has said who it is.

Uvicorn bounds the number of connections and nothing else: a header may grow for ever, a connection that
never sends one is never closed, and one address may take them all. These limits stand in front of it:

    header bytes      the request line and all headers of one request; 431 above
    header seconds    from the first byte (or the connection) to the end of the headers; closed after
    per address       connections of one peer; 503 above. Trusted proxies speak for many and have no limit
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.problems import Problem
from service.settings import Network


def within(host: str, trusted: Iterable[Network]) -> bool:
    """Whether ``host`` is an address of one of the networks."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address.version == one.version and address in one for one in trusted)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """See the module. ``trusted`` are the proxies' networks."""

    header_bytes: int
    header_seconds: float
    per_address: int
    trusted: tuple[Network, ...] = ()


def limited_protocol(limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """Uvicorn's HTTP protocol under ``limits``; the connections of an address are counted together."""
    held: Counter[str] = Counter()

    class LimitedProtocol(HttpToolsProtocol):
        """One connection."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._address = self.client[0] if self.client else ""
            self._head_bytes = 0
            self._in_head, self._refused = True, False
            self._head_timer: asyncio.TimerHandle | None = None
            held[self._address] += 1
            if held[self._address] > limits.per_address and not within(
                self._address, limits.trusted
            ):
                self._refuse(503, "Too many connections come from this address.")
                return
            self._begin_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_head()
            held[self._address] -= 1
            if held[self._address] <= 0:
                del held[self._address]
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._refused:
                return
            if self._in_head and self._head_timer is None:
                self._begin_head()
            super().data_received(data)
            if self._in_head and not self._refused:
                # What the parser holds back of a header that has no end yet is counted here.
                self._head_bytes += len(data)
                if self._head_bytes > limits.header_bytes:
                    self._refuse(431, "The request's headers are too large.")

        def on_header(self, name: bytes, value: bytes) -> None:
            self._told_bytes += len(name) + len(value)
            if self._told_bytes <= limits.header_bytes:
                super().on_header(name, value)

        def on_url(self, url: bytes) -> None:
            self._told_bytes += len(url)
            if self._told_bytes <= limits.header_bytes:
                super().on_url(url)

        def on_message_begin(self) -> None:
            self._told_bytes = 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._end_head()
            if self._told_bytes > limits.header_bytes:
                self._refuse(431, "The request's headers are too large.")
            if not self._refused:
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if not self._refused:
                super().on_body(body)

        def on_message_complete(self) -> None:
            if not self._refused:
                super().on_message_complete()
                self._in_head, self._head_bytes = True, 0

        def _begin_head(self) -> None:
            self._in_head = True
            self._head_timer = self.loop.call_later(limits.header_seconds, self._too_slow)

        def _end_head(self) -> None:
            self._in_head = False
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _too_slow(self) -> None:
            self._head_timer = None
            # One that answers a request of before meanwhile is left alone: its next head has time.
            if self.cycle is None or self.cycle.response_complete:
                self._refused = True
                self.transport.close()

        def _refuse(self, status: int, detail: str) -> None:
            self._refused = True
            self.transport.write(refusal(status, detail))
            self.transport.close()

    return LimitedProtocol


def refusal(status: int, detail: str) -> bytes:
    """A whole response, as a problem of RFC 9457, that closes the connection."""
    headers = {"Connection": "close"} | ({"Retry-After": "5"} if status == 503 else {})
    response = Problem(status, detail=detail, headers=headers).response()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        *(name + b": " + value for name, value in response.raw_headers),
    ]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
