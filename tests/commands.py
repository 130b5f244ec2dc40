"""The command line as a user meets it: what it prints where, and its exit status."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import chdir, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from zhizhi.cli import main


class Shown(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def zhizhi(*arguments: str | Path, cwd: Path | None = None) -> Shown:
    """`zhizhi` in this process: one of its own would import for seconds, each time."""
    out, errors = io.StringIO(), io.StringIO()
    status: object = 0
    with redirect_stdout(out), redirect_stderr(errors), chdir(cwd) if cwd else nullcontext():
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            status = left.code
    assert isinstance(status, int), status
    return Shown(status, out.getvalue(), errors.getvalue())


def zhizhi_process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`zhizhi` in a process of its own, as a shell starts it."""
    return subprocess.run(
        [sys.executable, "-m", "zhizhi.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        check=False,
    )
