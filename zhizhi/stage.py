"""Stage: a step of the pipeline that is skipped when it is done and continued when it was killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.markup import escape

from kg_builder.files import digest, read_manifest, write_manifest
from training.split import ALONE, Split
from zhizhi.beside import Beside, room_beside
from zhizhi.terminal import console


class Stages:
    """Numbers the stages of one run and runs those whose inputs have changed.

    A stage owns a folder under ``out``. Its manifest, written last, holds a digest of its inputs; the
    digests are chained, so that a change re-runs everything that depends on it. Of several processes
    (``split``) the first does the work, but for stages that they do ``together``; all wait for its end.
    """

    def __init__(self, out: Path, total: int, split: Split = ALONE) -> None:
        self.out = out
        self.total = total
        self.split = split
        self.number = 0
        self._pending: Pending | None = None  # at work beside the run

    def head(self, title: str) -> str:
        """The next stage's headline."""
        self.number += 1
        return f"[bold]\\[{self.number}/{self.total}] {escape(title)}[/bold]"

    def run(
        self,
        name: str,
        title: str,
        inputs: Any,
        work: Callable[[Path], dict[str, Any] | None],
        *,
        together: bool = False,
    ) -> tuple[Path, dict[str, Any]]:
        """Run ``work(folder)`` unless the folder's manifest matches; return folder and manifest."""
        folder, wanted, found = self._look(name, title, inputs)
        if found is not None:
            return folder, found
        started = time.perf_counter()
        result = (work(folder) or {}) if together or self.split.first else {}
        self.split.wait()
        if self.split.first:
            seconds = time.perf_counter() - started
            _finish(folder, wanted, result, seconds)
            console.print(f"    {seconds:.1f} s", style="dim")
        self.split.wait()
        return folder, read_manifest(folder) or {}

    def begin(
        self,
        name: str,
        title: str,
        inputs: Any,
        work: Callable[..., dict[str, Any] | None],
        *args: Any,
    ) -> Pending:
        """Begin ``work(folder, *args)`` beside what follows, where there is room; else run it now, together.

        A stage begun before is waited for first: there is one place beside the run.
        """
        if self._pending is not None:
            self._pending.wait()
        if self.split.count > 1 or not room_beside():
            done = self.run(name, title, inputs, lambda folder: work(folder, *args), together=True)
            return Pending(name, *done)
        folder, wanted, found = self._look(name, title, inputs, "beside the next")
        if found is not None:
            return Pending(name, folder, found)
        job = Beside(folder, _stage, folder, wanted, work, args)
        self._pending = Pending(name, folder, {}, job)
        return self._pending

    def reclaim(self) -> None:
        """Take back the cores of a stage that was begun beside the run and is done."""
        if self._pending is not None and self._pending.done:
            self._pending.wait()

    def _look(
        self, name: str, title: str, inputs: Any, how: str = ""
    ) -> tuple[Path, str, dict[str, Any] | None]:
        """A stage's folder, the digest of its inputs, and its manifest where it is done already."""
        head = self.head(title)
        folder = self.out / name
        wanted = digest(inputs)
        found = read_manifest(folder)
        self.split.wait()  # nobody writes before everybody has read
        if found is not None and found.get("stage_inputs") == wanted:
            console.print(f"{head} [dim]already done[/dim]", markup=True)
            return folder, wanted, found
        console.print(f"{head} [dim]{escape(how)}[/dim]" if how else head, markup=True)
        folder.mkdir(parents=True, exist_ok=True)
        return folder, wanted, None


class Pending:
    """A stage that may still be at work beside the run."""

    def __init__(
        self, name: str, folder: Path, manifest: dict[str, Any], job: Beside | None = None
    ) -> None:
        self.name = name
        self.folder = folder
        self._manifest = manifest
        self._job = job

    @property
    def done(self) -> bool:
        return self._job is None or self._job.done

    def wait(self) -> tuple[Path, dict[str, Any]]:
        """Folder and manifest of the stage when it is done; raises what it failed with."""
        if self._job is not None:
            job, self._job = self._job, None
            job.result()
            self._manifest = read_manifest(self.folder) or {}
            console.print(
                f"    {self.name}: {self._manifest['seconds']:.1f} s, beside", style="dim"
            )
        return self.folder, self._manifest


def _stage(
    folder: Path, wanted: str, work: Callable[..., dict[str, Any] | None], args: tuple[Any, ...]
) -> None:
    started = time.perf_counter()
    result = work(folder, *args) or {}
    _finish(folder, wanted, result, time.perf_counter() - started)


def _finish(folder: Path, wanted: str, result: dict[str, Any], seconds: float) -> None:
    manifest = {**(read_manifest(folder) or {}), **result}
    manifest |= {"stage_inputs": wanted, "seconds": round(seconds, 1)}
    write_manifest(folder, manifest)
