"""What keeps a failing provider from costing every question: breaker, rate limit, cache."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Clock = Callable[[], float]
T = TypeVar("T")


class CircuitBreaker:
    """Opens after ``failures`` in a row, for ``seconds``; then lets one try through.

    The time doubles with every failed try, up to ``most`` seconds, and a success closes it.
    """

    def __init__(
        self,
        failures: int = 3,
        seconds: float = 30.0,
        most: float = 600.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._threshold, self._first, self._most = failures, seconds, most
        self._clock = clock
        self._failed = 0
        self._wait = seconds
        self._until = 0.0
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether a call would be turned away now."""
        if self._failed < self._threshold:
            return False
        return self._clock() < self._until or self._trying

    def admit(self) -> bool:
        """Whether the call may be made; call ``succeeded``, ``failed`` or ``abandoned`` after it."""
        if self.open:
            return False
        if self._failed >= self._threshold:
            self._trying = True
        return True

    def succeeded(self) -> None:
        self._failed, self._wait, self._trying = 0, self._first, False

    def failed(self) -> None:
        self._failed += 1
        if self._trying:
            self._wait = min(self._most, self._wait * 2)
        if self._failed >= self._threshold:
            self._until = self._clock() + self._wait
        self._trying = False

    def abandoned(self) -> None:
        """The call was cancelled: it proves nothing either way."""
        self._trying = False


class RateLimit:
    """A token bucket: ``per_second`` on average, ``burst`` at once."""

    def __init__(self, per_second: float, burst: int = 1, clock: Clock = time.monotonic) -> None:
        self._rate, self._burst, self._clock = per_second, burst, clock
        self._tokens = float(burst)
        self._at = clock()

    def reserve(self, most: float) -> float | None:
        """Seconds to wait before a call; None, and nothing is reserved, where that is more than ``most``.

        Who reserves later waits longer, so that calls that wait come in turn.
        """
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        wait = max(0.0, (1 - self._tokens) / self._rate)
        if wait > most:
            return None
        self._tokens -= 1
        return wait


class Cache(Generic[T]):
    """The last ``size`` values, each for ``seconds``."""

    def __init__(self, size: int, seconds: float, clock: Clock = time.monotonic) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._held: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def get(self, key: str) -> T | None:
        found = self._held.get(key)
        if found is None:
            return None
        if self._clock() >= found[0]:
            del self._held[key]
            return None
        self._held.move_to_end(key)
        return found[1]

    def put(self, key: str, value: T) -> None:
        if self._size < 1 or self._seconds <= 0:
            return
        self._held[key] = (self._clock() + self._seconds, value)
        self._held.move_to_end(key)
        while len(self._held) > self._size:
            self._held.popitem(last=False)
