"""`zhizhi serve` as a process of its own, over documents."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTED = re.compile(r"Zhizhi answers at (\S+/)")


@contextmanager
def zhizhi_serve(*arguments: str | Path, cwd: Path, seconds: float = 240) -> Iterator[str]:
    """The URL of `zhizhi serve ARGUMENTS` on a free port; the process ends with the block."""
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "zhizhi.cli", "serve", *map(str, arguments), "--port", "0"],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + seconds
            while (found := STARTED.search(Path(log.name).read_text(encoding="utf-8"))) is None:
                words = Path(log.name).read_text(encoding="utf-8")
                assert process.poll() is None, words
                assert time.monotonic() < deadline, words
                time.sleep(0.1)
            yield found[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, Path(log.name).read_text(encoding="utf-8")
        finally:
            process.kill()
            process.wait()
