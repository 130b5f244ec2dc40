"""The small world's service as a process of its own: ``python -m tests.service.serving [SECONDS]``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(
    seconds: float = 0.0, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL (empty where it did not start). ``seconds`` is what a batch costs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.service.serving", str(seconds)],
        env={**os.environ, "ZHIZHI_PORT": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def main() -> int:
    from kg_builder.errors import UserError
    from service.app import create_app
    from service.server import bind, serve
    from service.settings import load_settings
    from tests.service.world import EXAMPLES, SmallLibrary, SmallModel

    try:
        settings = load_settings()
        listener = bind(settings.host, settings.port)
        seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0

        def load() -> tuple[SmallModel, SmallLibrary]:
            return SmallModel(seconds), SmallLibrary(0.05)

        app = create_app(settings, *load(), examples=EXAMPLES, load=load)
        return serve(
            app, settings, listener=listener, on_started=lambda url: print(url, flush=True)
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
