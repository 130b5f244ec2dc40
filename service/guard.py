"""Guard: who is asking, may they, and not too often? A dependency of every route that costs something."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from time import time

from fastapi import Request
from limits import RateLimitItem
from limits import parse as parse_rate
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from kg_builder.errors import UserError
from service.keys import Key, KeyRing, Scope
from service.problems import Problem
from service.settings import PREFIX, Settings, is_loopback

logger = logging.getLogger(__name__)

# What, without keys, a caller may do only on the machine of the server.
LOCAL: frozenset[Scope] = frozenset({"documents", "admin"})

BEARER = {"WWW-Authenticate": 'Bearer realm="zhizhi"'}


class ExposureError(UserError):
    """The service would be open to everybody who can reach it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a request comes from: a key, or an address where no keys are asked for."""

    name: str
    key: Key | None = None


def check_exposure(settings: Settings) -> None:
    """Refuse to serve other machines without keys, unless told to."""
    if settings.loopback or settings.keys_file is not None or settings.allow_anonymous:
        return
    raise ExposureError(
        f"{settings.host} can be reached from other machines, and no API keys are set up. "
        f"Make some (zhizhi keys add NAME) and set {PREFIX}KEYS_FILE, or set "
        f"{PREFIX}ALLOW_ANONYMOUS=true to let everybody ask."
    )


class Guard:
    """Keys, scopes, rates and concurrency."""

    def __init__(self, settings: Settings) -> None:
        self._ring = KeyRing(settings.keys_file) if settings.keys_file else None
        self._rate = parse_rate(settings.rate) if settings.rate else None
        self._memory = MovingWindowRateLimiter(MemoryStorage())
        self._shared = self._memory
        if settings.redis_url is not None:
            url = settings.redis_url.get_secret_value()
            storage = storage_from_string(f"async+{url}", implementation="redispy")
            assert isinstance(storage, Storage)
            self._shared = MovingWindowRateLimiter(storage)
        self._active: Counter[str] = Counter()

    def needs(self, scope: Scope) -> Callable[[Request], AsyncIterator[Caller]]:
        """A dependency that lets through who may, and holds their place until the response is out."""

        async def guard(request: Request) -> AsyncIterator[Caller]:
            caller = self.caller(request, scope)
            request.state.caller = caller
            await self._count(caller)
            async with self._place(caller):
                yield caller

        return guard

    async def count_more(self, request: Request, more: int) -> None:
        """Count ``more`` requests for one that stands for several. Raises Problem 429 where they are not
        allowed, and counts none of them then."""
        if more > 0:
            await self._count(request.state.caller, more)

    @property
    def key_trouble(self) -> str | None:
        """What is wrong with the key file, None where nothing is."""
        return None if self._ring is None else self._ring.trouble()

    def caller(self, request: Request, scope: Scope) -> Caller:
        """Raises Problem 401 without a key, 403 without the scope."""
        if self._ring is None:
            if scope in LOCAL and (reason := _not_local(request)):
                detail = f"Without keys this is for programs of the same machine alone: {reason}."
                raise Problem(403, "forbidden", detail)
            return Caller(f"ip:{request.client.host if request.client else '-'}")
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        key = self._ring.find(presented.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            detail = "Send an API key: Authorization: Bearer zz_…"
            raise Problem(401, "unauthorized", detail, headers=dict(BEARER))
        if scope not in key.scopes:
            raise Problem(403, "forbidden", f"The key {key.name!r} has no scope {scope!r}.")
        return Caller(f"key:{key.id}", key)

    async def _count(self, caller: Caller, cost: int = 1) -> None:
        rate = parse_rate(caller.key.rate) if caller.key and caller.key.rate else self._rate
        if rate is None:
            return
        try:
            allowed = await self._shared.hit(rate, caller.name, cost=cost)
            resets = await self._resets(self._shared, rate, caller) if not allowed else 0.0
        except Exception as error:  # whatever a storage raises when it is gone
            logger.warning("rates are counted in this process alone: %s", error)
            allowed = await self._memory.hit(rate, caller.name, cost=cost)
            resets = await self._resets(self._memory, rate, caller) if not allowed else 0.0
        if not allowed:
            most = f"More than {rate} are not allowed"
            raise too_many(f"{most}, and each question counts." if cost > 1 else f"{most}.", resets)

    async def _resets(
        self, limiter: MovingWindowRateLimiter, rate: RateLimitItem, caller: Caller
    ) -> float:
        stats = await limiter.get_window_stats(rate, caller.name)
        return max(0.0, stats.reset_time - time())

    @asynccontextmanager
    async def _place(self, caller: Caller) -> AsyncIterator[None]:
        most = caller.key.concurrency if caller.key else None
        if most is not None and self._active[caller.name] >= most:
            raise too_many(f"More than {most} requests at a time are not allowed.", 1)
        self._active[caller.name] += 1
        try:
            yield
        finally:
            self._active[caller.name] -= 1
            if self._active[caller.name] <= 0:
                del self._active[caller.name]


def too_many(detail: str, seconds: float) -> Problem:
    return Problem(
        429, "too-many-requests", detail, headers={"Retry-After": str(max(1, ceil(seconds)))}
    )


# Headers by which a proxy says that it stands between: whoever asks through one may be anywhere.
FORWARDING = (
    *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    *("x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"),
)


def _not_local(request: Request) -> str | None:
    """Why a request cannot be taken for one of a program on this machine; None where it can.

    A browser here may be steered by a page from anywhere: it says so by Origin and Sec-Fetch-Site, and by
    the Host, where a foreign name was made to lead to this machine (DNS rebinding).
    """
    client, headers = request.client, request.headers
    if client is None or not is_loopback(client.host):
        return "it comes from another one"
    if passed := next((name for name in FORWARDING if name in headers), None):
        return f"it came through a proxy ({passed})"
    if not is_loopback(_host_of(headers.get("host", ""))):
        return "its Host is not this machine"
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return "a page of another origin sent it"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "a page of another site sent it"
    return None


def _host_of(authority: str) -> str:
    """The host of a Host header, without its port."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
