"""The small world's service as a process of its own.

``python -m tests.service.serving [SECONDS] [MODEL] [READING]``; MODEL is ``small``, or ``none`` for
retrieval alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


class Served(subprocess.Popen[str]):
    """The process, and what it has written to stderr."""

    log: IO[str]

    def words(self, timeout: float = 60) -> str:
        """Everything on stderr, once the process has ended."""
        self.wait(timeout)
        self.log.seek(0)
        return self.log.read()


@contextmanager
def serving(
    seconds: float = 0.0, *, model: str = "small", reading: float = 0.05, **environment: str
) -> Iterator[tuple[Served, str]]:
    """The process and its URL (empty where it did not start). ``seconds`` is what a batch costs, ``reading``
    what retrieval does."""
    # A file, not a pipe: a pipe that nobody reads is full after some hundred lines of log.
    with tempfile.TemporaryFile("w+") as log:
        process = Served(
            [sys.executable, "-m", "tests.service.serving", str(seconds), model, str(reading)],
            env={**os.environ, "ZHIZHI_PORT": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        process.log = log
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            process.communicate()


def main() -> int:
    from kg_builder.errors import UserError
    from service.app import create_app
    from service.retrieval_only import RetrievalOnly
    from service.server import bind, serve
    from service.settings import load_settings
    from tests.service.world import EXAMPLES, SmallLibrary, SmallModel

    try:
        settings = load_settings()
        listener = bind(settings.host, settings.port)
        seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0

        alone = sys.argv[2:3] == ["none"]
        reading = float(sys.argv[3]) if len(sys.argv) > 3 else 0.05

        def load() -> tuple[SmallModel | RetrievalOnly, SmallLibrary]:
            return RetrievalOnly() if alone else SmallModel(seconds), SmallLibrary(reading)

        app = create_app(settings, *load(), examples=() if alone else EXAMPLES, load=load)
        return serve(
            app, settings, listener=listener, on_started=lambda url: print(url, flush=True)
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
