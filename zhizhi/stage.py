"""Stage: a step of the pipeline that is skipped when it is done and continued when it was killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from kg_builder.files import digest, read_manifest, write_manifest
from training.split import ALONE, Split

# Words go to stderr: stdout is for results. Written to a file, tables are not squeezed into 80 columns.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 132)


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

    def head(self, title: str) -> str:
        """The next stage's headline."""
        self.number += 1
        return f"[bold]\\[{self.number}/{self.total}] {title}[/bold]"

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
        head = self.head(title)
        folder = self.out / name
        wanted = digest(inputs)
        found = read_manifest(folder)
        self.split.wait()  # nobody writes before everybody has read
        if found is not None and found.get("stage_inputs") == wanted:
            console.print(f"{head} [dim]already done[/dim]")
            return folder, found
        console.print(head)
        folder.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        result = (work(folder) or {}) if together or self.split.first else {}
        self.split.wait()
        if self.split.first:
            seconds = round(time.perf_counter() - started, 1)
            manifest = {**(read_manifest(folder) or {}), **result}
            manifest |= {"stage_inputs": wanted, "seconds": seconds}
            write_manifest(folder, manifest)
            console.print(f"    [dim]{seconds:.1f} s[/dim]")
        self.split.wait()
        return folder, read_manifest(folder) or {}
