"""A second process for the stages that nothing waits for yet.

Small models do not keep several cores busy: two threads in one network are 1.3 to 1.4 times as fast as one,
two processes 1.6 times (docs/decisions.md). So the index and the ablation are made beside the stages that
the run is waiting for, each process on its half of the cores. On a GPU, on one core, and where several
processes share the work already, everything is done in turn.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kg_builder.errors import UserError

LOG = "output.txt"  # what the process has said, in its stage's folder
PATIENCE = 1.0  # seconds between two looks at whether the run is still there


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def room_beside() -> bool:
    """Whether a second process would find cores of its own."""
    import torch

    return cores() > 1 and not torch.cuda.is_available()


class Beside:
    """``work(*args)`` in a process of its own, which ends with this one, however this one ends.

    ``work`` is a function of a module, and its arguments can be pickled.
    """

    def __init__(self, folder: Path, work: Callable[..., Any], *args: Any) -> None:
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / LOG
        self._threads = torch.get_num_threads()
        half = max(1, self._threads // 2)
        torch.set_num_threads(max(1, self._threads - half))
        context = multiprocessing.get_context("spawn")
        self._found, told = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_begin, args=(told, os.getpid(), half, self.log, work, args), daemon=True
        )
        self._process.start()
        told.close()

    @property
    def done(self) -> bool:
        """Whether ``result`` would return, or raise, at once."""
        return self._found.poll()

    def result(self) -> Any:
        """What ``work`` returned; raises what it raised. This process has its threads again."""
        import torch

        try:
            done, value = self._found.recv()
        except EOFError:
            done, value = False, None
        self._process.join()
        torch.set_num_threads(self._threads)
        if done:
            return value
        if isinstance(value, UserError):
            raise value
        raise RuntimeError(f"A stage beside this one failed; {self.log} tells how.")


def _begin(
    told: Connection,
    parent: int,
    threads: int,
    log: Path,
    work: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides what Ctrl-C means
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with log.open("wb") as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    import torch

    from training.device import keep_memory

    keep_memory()
    torch.set_num_threads(threads)
    try:
        value = work(*args)
    except UserError as error:
        told.send((False, error))
    except Exception:
        traceback.print_exc()
        told.send((False, None))
    else:
        told.send((True, value))


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: a killed run leaves nobody who writes into its folder."""
    while os.getppid() == parent:
        time.sleep(PATIENCE)
    os._exit(1)
