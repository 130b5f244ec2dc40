"""Two processes on one CPU, joined by gloo, as the launchers start them on several GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
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


def launch(launcher: str, arguments: Sequence[str | Path], timeout: float = 280) -> None:
    """Run ``arguments`` (a script, or -m and a module, and what it takes) in two processes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *LAUNCHERS[launcher], *map(str, arguments)]
    subprocess.run(command, env=environment, check=True, timeout=timeout)
