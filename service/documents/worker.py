"""DocumentWorker: a process of its own that reads files and changes the index.

Taking text out of files and rebuilding an index is hard work in Python, which in the serving process would
hold up every question; and a file made to break a parser breaks no more than this process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from service.documents.status import LeftOutPart

if TYPE_CHECKING:
    from kg_builder.passage import Passage
    from service.seams import DocumentIndex, Progress

T = TypeVar("T")

NICENESS = 10  # below the process that answers questions
BUSY_SECONDS = 120.0  # for as long another process's change of the index is waited for
BUSY_PAUSE = 0.2
STARTING_SECONDS = 120.0  # for the process to import what it needs


class WorkerError(Exception):
    """The worker could not do as told; the message is one sentence for people."""


class DocumentWorker:
    """One process, started when it is first needed and again after it ended. For one thread."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def read(
        self, path: Path, identity: str, seconds: float
    ) -> tuple[int, tuple[LeftOutPart, ...]]:
        """Read a file; its passages stay in the worker. Returns how many, and what was left out."""
        late = f"reading it took longer than {seconds:g} s. Cut it into several files."
        count, left_out = self._ask("read", path, identity, seconds=seconds, late=late)
        return count, tuple(LeftOutPart(part=part, reason=reason) for part, reason in left_out)

    def add(self, folder: Path, replacing: Sequence[str], progress: Progress) -> None:
        """Put the passages that were read into the index in ``folder``."""
        self._ask("add", folder, list(replacing), progress=progress)

    def take(self) -> list[Passage]:
        """The passages that were read, for an index that only the serving process may open."""
        taken: list[Passage] = self._ask("take")
        return taken

    def delete(self, folder: Path, ids: Sequence[str]) -> int:
        """Delete documents from the index in ``folder``; return how many passages went."""
        gone: int = self._ask("delete", folder, list(ids))
        return gone

    def kill(self) -> None:
        """End the process, whatever it does: an index is changed whole or not at all."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.join(5)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(
        self,
        order: str,
        *arguments: Any,
        seconds: float | None = None,
        late: str = "",
        progress: Progress | None = None,
    ) -> Any:
        connection = self._started()
        try:
            connection.send((order, arguments))
            while True:
                if not connection.poll(seconds):
                    self.kill()
                    raise WorkerError(late)
                kind, value = connection.recv()
                if kind == "progress":
                    if progress is not None:
                        progress(*value)
                elif kind == "failed":
                    raise WorkerError(value)
                else:
                    return value
        except (EOFError, OSError) as error:
            self.kill()
            raise WorkerError(
                "the process that reads documents was ended while it worked on this, perhaps for want of "
                "memory. Try a smaller file."
            ) from error

    def _started(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._connection is not None:
            return self._connection
        self.kill()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), name="documents", daemon=True)
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        with suppress(EOFError, OSError):
            if ours.poll(STARTING_SECONDS):
                ours.recv()  # it is ready: only from now on time is counted
                return ours
        self.kill()
        raise WorkerError(
            "the process that reads documents does not start. The server's log says why."
        )


def _work(connection: Connection) -> None:
    """The process: orders in, results out, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that serves
    with suppress(OSError):
        os.nice(NICENESS)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the other cores are for questions
    from kg_builder.errors import UserError

    desk = _ReadDocuments(lambda *done: connection.send(("progress", done)))
    connection.send(("ready", None))
    with suppress(EOFError, OSError, BrokenPipeError):
        while True:
            order, arguments = connection.recv()
            try:
                connection.send(("done", getattr(desk, order)(*arguments)))
            except UserError as error:
                connection.send(("failed", str(error)))
            except (EOFError, OSError, BrokenPipeError):
                raise
            except Exception as error:
                connection.send(("failed", f"{type(error).__name__}: {str(error)[:200]}"))


class _ReadDocuments:
    """What has been read and is not in the index yet, and the index that is open."""

    def __init__(self, progress: Callable[[str, int, int], None]) -> None:
        self._progress = progress
        self._passages: list[Passage] = []
        self._index: DocumentIndex | None = None

    def read(self, path: Path, identity: str) -> tuple[int, list[tuple[str, str]]]:
        from retrieval.documents import read_document

        found = read_document(identity, path.read_bytes())
        self._passages += found.passages
        return len(found.passages), [(left.part, left.reason) for left in found.left_out]

    def take(self) -> list[Passage]:
        taken, self._passages = self._passages, []
        return taken

    def add(self, folder: Path, replacing: list[str]) -> None:
        passages = self.take()
        index = self._open(folder)
        patiently(lambda: index.add(passages, replacing=replacing, progress=self._progress))

    def delete(self, folder: Path, ids: list[str]) -> int:
        index = self._open(folder)
        return patiently(lambda: index.delete(ids))

    def _open(self, folder: Path) -> DocumentIndex:
        if self._index is None or self._index.folder != folder:
            from retrieval.engines import open_index

            self._index = open_index(folder)
        return self._index


def patiently(change: Callable[[], T]) -> T:
    """``change`` of an index, again and again while another process is changing it."""
    from retrieval.errors import IndexBusyError

    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return change()
        except IndexBusyError:
            if time.monotonic() > until:
                raise
            time.sleep(BUSY_PAUSE)
