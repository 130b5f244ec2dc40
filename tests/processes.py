"""Processes that tests start: workers that can be killed, and pairs on one CPU that gloo joins."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).parents[1]
# accelerate's --cpu starts one process however many are asked for, unless mpirun is there (1.15).
LAUNCHERS = {
    "accelerate": (
        *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
        *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--main_process_port", "0"),
    ),
    "torchrun": ("torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
}

# Workers are forked from a server that has imported what trains a model: that alone takes many seconds.
WORKERS = multiprocessing.get_context("forkserver")
WORKERS.set_forkserver_preload(["training.base.trainer", "training.sft"])


def launch(launcher: str, arguments: Sequence[str | Path], timeout: float = 280) -> None:
    """Run ``arguments`` (a script, or -m and a module, and what it takes) in two processes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *LAUNCHERS[launcher], *map(str, arguments)]
    subprocess.run(command, env=environment, check=True, timeout=timeout)


@contextmanager
def running(work: Callable[..., None], *arguments: object) -> Iterator[BaseProcess]:
    """``work(*arguments)`` in a process of its own, which is killed at the end of the block (SIGKILL)."""
    process = WORKERS.Process(target=work, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait_for(pattern: str, folder: Path, process: BaseProcess, seconds: float = 240) -> None:
    """Return as soon as a file in ``folder`` fits ``pattern``; ``process`` must still be at work then."""
    deadline = time.monotonic() + seconds
    while not list(folder.glob(pattern)):
        assert process.is_alive(), "it finished before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
