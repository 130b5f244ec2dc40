"""Two replicas that share PostgreSQL and Redis, both real; and Redis gone and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from service.question_log import export, open_engine
from tests.service.serving import serving
from tests.service.stores import Postgres, Redis
from tests.service.world import FATHER, GUESS, PHONE

pytestmark = pytest.mark.slow

RATE = 12


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.stop()


def ask(url: str, question: str, **options: object) -> httpx.Response:
    return httpx.post(f"{url}v1/qa", json={"question": question, **options}, timeout=20)


def test_replicas_share_answers_rates_and_the_log(postgres: Postgres, redis: Redis) -> None:
    environment = {
        "ZHIZHI_LOG_URL": postgres.url,
        "ZHIZHI_REDIS_URL": redis.url,
        "ZHIZHI_RATE": f"{RATE}/minute",
    }
    with ExitStack() as stack:
        # Both bring the same empty database to the newest revision.
        (_, one), (_, two) = [stack.enter_context(serving(**environment)) for _ in range(2)]
        first, again = ask(one, FATHER).json(), ask(two, FATHER).json()
        assert (first["cached"], again["cached"]) == (False, True)
        assert again["answer"] == first["answer"]
        ask(one, PHONE)
        ask(two, GUESS)
        said = {"answer_id": first["id"], "rating": "up", "question": FATHER}
        assert httpx.post(f"{two}v1/feedback", json=said).status_code == 201  # the fifth of RATE

        statuses = Counter(ask((one, two)[n % 2], FATHER).status_code for n in range(RATE))
        assert statuses == {200: RATE - 5, 429: 5}

        redis.stop()  # each counts for itself now, and works every question out
        alone = ask(one, FATHER)
        assert (alone.status_code, alone.json()["cached"]) == (200, False)
        redis.start()  # empty, and in use again within a few requests
        assert any(ask((one, two)[n % 2], FATHER).json()["cached"] for n in range(6))
        assert httpx.get(f"{two}readyz").status_code == 200
    engine = open_engine(postgres.url)
    logged = {row["text"]: row for row in export(engine)}
    engine.dispose()
    assert set(logged) == {FATHER, PHONE, GUESS}
    assert logged[FATHER]["ratings"]["up"] == 1
