import pytest

from retrieval.web.resilience import Cache, CircuitBreaker, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_breaker_opens_tries_once_and_closes(clock: Clock) -> None:
    breaker = CircuitBreaker(failures=2, seconds=10, clock=clock)
    for _ in range(2):
        assert breaker.admit()
        breaker.failed()
    assert not breaker.admit()
    clock.now = 10
    assert breaker.admit()
    assert not breaker.admit(), "one try at a time"
    breaker.succeeded()
    assert breaker.admit()


def test_breaker_waits_longer_after_each_failed_try(clock: Clock) -> None:
    breaker = CircuitBreaker(failures=1, seconds=10, most=25, clock=clock)
    breaker.admit()
    breaker.failed()
    for wait in (10, 20, 25, 25):
        clock.now += wait - 0.1
        assert not breaker.admit()
        clock.now += 0.1
        assert breaker.admit(), wait
        breaker.failed()


def test_a_success_forgets_failures(clock: Clock) -> None:
    breaker = CircuitBreaker(failures=2, clock=clock)
    for _ in range(5):
        breaker.admit()
        breaker.failed()
        breaker.admit()
        breaker.succeeded()
    assert breaker.admit()


def test_a_cancelled_try_proves_nothing(clock: Clock) -> None:
    breaker = CircuitBreaker(failures=1, seconds=10, clock=clock)
    breaker.admit()
    breaker.failed()
    clock.now = 10
    assert breaker.admit()
    breaker.abandoned()
    assert breaker.admit()


def test_rate_limit(clock: Clock) -> None:
    limit = RateLimit(2, burst=3, clock=clock)
    assert [limit.reserve(0) for _ in range(4)] == [0, 0, 0, None]
    clock.now = 0.5
    assert [limit.reserve(0) for _ in range(2)] == [0, None]
    # Who waits comes in turn, and what would take too long is not waited for.
    assert [limit.reserve(1.2) for _ in range(3)] == [0.5, 1.0, None]
    clock.now = 100
    assert [limit.reserve(0) for _ in range(4)] == [0, 0, 0, None]


def test_cache_has_a_size_and_a_lifetime(clock: Clock) -> None:
    cache: Cache[int] = Cache(2, 10, clock)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("b"), cache.get("a"), cache.get("c")) == (None, 1, 3)
    clock.now = 10
    assert cache.get("a") is None
    off: Cache[int] = Cache(0, 10, clock)
    off.put("a", 1)
    assert off.get("a") is None
