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
class Dated(Protocol):
    """A chain whose index was made on a day that is known, YYYY-MM-DD."""

    @property
    def made_on(self) -> str | None: ...


@runtime_checkable
class Breaking(Protocol):
    """A search with circuit breakers: providers that failed lately are left alone (True) for a while."""

    @property
    def breakers(self) -> dict[str, bool]: ...


@runtime_checkable
class Graded(Protocol):
    """A chain whose answers have a calibrated confidence.

    ``threshold_for`` gives the confidence from which on its answers are that precise (a threshold of 1 or
    more: none are), or None where its reader tells no confidence.
    """

    def threshold_for(self, precision: float) -> float | None: ...


Ask = Callable[[str], Awaitable[Attempt]]
Read = Callable[[str, Sources, float], Awaitable[Reading]]
