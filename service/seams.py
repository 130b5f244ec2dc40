"""The shapes of what is passed in: the retrieval chain, and the words for a request's choices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, runtime_checkable

from retrieval.evidence import Reading
from training.attempt import Attempt

Fallback = Literal["auto", "never", "always"]
Sources = Literal["index", "web", "both"]
Profile = Literal["webqa", "chat", "strict"]

PROFILES: tuple[Profile, ...] = ("webqa", "chat", "strict")


class Chain(Protocol):
    """Retrieval and reading as one call, made in a thread of its own. ``deadline`` is an instant of
    ``time.monotonic()``, or None."""

    @property
    def name(self) -> str: ...

    def answer(self, question: str, *, sources: Sources, deadline: float | None) -> Reading: ...


@runtime_checkable
class AsyncChain(Protocol):
    """The same as a coroutine, which can be cancelled; preferred where a chain has it."""

    @property
    def name(self) -> str: ...

    async def aanswer(
        self, question: str, *, sources: Sources, deadline: float | None
    ) -> Reading: ...


@runtime_checkable
class ReaderWatch(Protocol):
    """A chain that can say why its reading model was last replaced; None where it works."""

    @property
    def reader_failing(self) -> str | None: ...


@runtime_checkable
class Breaking(Protocol):
    """A search with circuit breakers: providers that failed lately are left alone (True) for a while."""

    @property
    def breakers(self) -> dict[str, bool]: ...


Ask = Callable[[str], Awaitable[Attempt]]
Read = Callable[[str, Sources, float], Awaitable[Reading]]
