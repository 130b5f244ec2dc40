"""AnswerCache: answers given lately, in memory or shared through Redis.

Keys name the bundle and the revision of the index: a new one never gives an old one's answers, and what was
withdrawn, or refused for want of a document that has come since, is not asked for again.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from service.answer import Answer

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)


class AnswerCache(Protocol):
    async def get(self, key: str) -> Answer | None: ...

    async def put(self, key: str, answer: Answer) -> None: ...

    async def close(self) -> None: ...


class MemoryCache:
    """The ``size`` answers used last, each for ``seconds``."""

    def __init__(
        self, size: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, Answer]] = OrderedDict()

    async def get(self, key: str) -> Answer | None:
        until, answer = self._answers.get(key, (0.0, None))
        if answer is None or until <= self._clock():
            self._answers.pop(key, None)
            return None
        self._answers.move_to_end(key)
        return answer

    async def put(self, key: str, answer: Answer) -> None:
        self._answers[key] = (self._clock() + self._seconds, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)

    async def close(self) -> None:
        self._answers.clear()


class RedisCache:
    """The same for several replicas. A Redis that is gone costs the cache, never an answer."""

    PREFIX = "zhizhi:answer:"

    def __init__(self, client: Redis, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    @classmethod
    def connect(cls, url: str, seconds: float) -> RedisCache:
        from redis.asyncio import Redis

        client = Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)
        return cls(client, seconds)

    async def get(self, key: str) -> Answer | None:
        from redis.exceptions import RedisError

        try:
            found = await self._client.get(self.PREFIX + key)
            return None if found is None else Answer.model_validate_json(found)
        except (RedisError, OSError, ValidationError) as error:
            logger.warning("the answer cache cannot be read: %s", error)
            return None

    async def put(self, key: str, answer: Answer) -> None:
        from redis.exceptions import RedisError

        try:
            milliseconds = max(1, int(1000 * self._seconds))
            await self._client.set(self.PREFIX + key, answer.model_dump_json(), px=milliseconds)
        except (RedisError, OSError) as error:
            logger.warning("the answer cache cannot be written: %s", error)

    async def close(self) -> None:
        await self._client.aclose()
