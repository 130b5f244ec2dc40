"""Guard: which addresses a page may be fetched from. A page's author chooses the URL, not us.

Server-side request forgery is stopped where the connection is made: the name is resolved once, every
address it has must be public, and the connection goes to that very address. A second look-up that would
answer differently (DNS rebinding) never happens; redirects come back here. Hosts in disguise (decimal,
octal, IPv6-mapped) are addresses by then, and judged as such.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import httpcore
import httpx
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What is not on the open internet, by IANA's registries of special-purpose addresses (RFC 6890 and its
# successors): Python's own table changes with its version. The last two are of clouds: they answer
# whoever asks from a machine of theirs.
SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *(
            "::/128",
            "::1/128",
            "::/96",
            "::ffff:0:0/96",
            "64:ff9b:1::/48",
            "100::/64",
            "100:0:0:1::/64",
        ),
        *("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
        *("168.63.129.16/32", "fd00:ec2::254/128"),
    )
)
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # nothing else of IPv6 is routed
PORTS = frozenset({80, 443, 8080, 8443})
MAX_URL = 2048


class BlockedError(Exception):
    """A URL that must not be fetched, with the reason."""


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a host, by the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: Address) -> bool:
    """Whether an address is on the open internet, looking through forms that embed another."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None and not is_public(address.sixtofour):
            return False
        if address.teredo is not None:
            return False
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in GLOBAL_UNICAST:
            return False
    listed = any(address.version == one.version and address in one for one in SPECIAL)
    # Python's table beside ours: it may know what came later.
    return not listed and address.is_global and not address.is_multicast


class Guard:
    """Decides on URLs and addresses. ``allowed`` names networks that are private and yet wanted: what runs
    inside a house listens on any port. ``ports`` are those of public hosts."""

    def __init__(
        self,
        *,
        allowed: Iterable[str] = (),
        ports: frozenset[int] | None = PORTS,
        resolver: Resolver = resolve,
    ) -> None:
        self.allowed: tuple[Network, ...] = tuple(ipaddress.ip_network(one) for one in allowed)
        self.ports = ports
        self.resolver = resolver

    def check_url(self, url: str) -> httpx.URL:
        """The parsed URL; raises BlockedError where its form alone forbids it."""
        if len(url) > MAX_URL:
            raise BlockedError(f"URL of {len(url)} characters")
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise BlockedError(f"not a URL: {error}") from error
        if parsed.scheme not in ("http", "https"):
            raise BlockedError(f"scheme {parsed.scheme!r}")
        try:
            host = parsed.host
        except ValueError as error:  # a name that IDNA does not decode
            raise BlockedError(f"no host name: {error}") from error
        if not host:
            raise BlockedError("no host")
        if parsed.userinfo:
            raise BlockedError("credentials in the URL")
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        if not self.allowed:  # else the address decides, see ``addresses``
            self._check_port(port)
        return parsed.copy_with(fragment=None)

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host if every one of them may be connected to.

        One private address among public ones is refused with them: whoever put it there had a reason.
        """
        try:
            found = await self.resolver(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise BlockedError(f"{host}: cannot be resolved ({error})") from error
        if not found:
            raise BlockedError(f"{host}: has no address")
        for text in found:
            try:
                address = ipaddress.ip_address(text.partition("%")[0])
            except ValueError as error:
                raise BlockedError(f"{host}: {text!r} is no address") from error
            if self._is_allowed(address):
                continue
            if not is_public(address):
                raise BlockedError(f"{host}: {address} is not a public address")
            self._check_port(port)
        return list(found)

    def _check_port(self, port: int) -> None:
        if self.ports is not None and port not in self.ports:
            raise BlockedError(f"port {port}")

    def _is_allowed(self, address: Address) -> bool:
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(
            address.version == network.version and address in network for network in self.allowed
        )


class GuardedBackend(AsyncNetworkBackend):
    """Connects only to what the guard allows; TLS still checks the certificate of the *name*."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._backend: AsyncNetworkBackend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        error: Exception | None = None
        for address in await self._guard.addresses(host, port):
            try:
                return await self._backend.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error or httpcore.ConnectError(f"{host}: no address")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> AsyncNetworkStream:
        raise BlockedError("a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@lru_cache(maxsize=1)
def ssl_context() -> ssl.SSLContext:
    """One for all: to read the certificates of the authorities takes longer than many a page."""
    return httpx.create_ssl_context(trust_env=False)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a guarded network; no proxy of the environment is used."""

    def __init__(self, guard: Guard, *, max_connections: int = 16) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context(),
            max_connections=max_connections,
            max_keepalive_connections=0,  # a kept connection would outlive the look-up that allowed it
            network_backend=GuardedBackend(guard),
        )
