"""LoopThread: an event loop of its own, so that retrieval's work never holds up the HTTP loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines, at most ``at_a_time`` of them; cancelling the caller cancels the coroutine."""

    def __init__(self, name: str, at_a_time: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._places = asyncio.Semaphore(at_a_time)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def in_place() -> T:
            async with self._places:
                return await work

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(in_place(), self._loop))

    def close(self, timeout: float | None = None) -> bool:
        """Cancel what runs and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
