"""MappedFiles: files that are read through memory maps, and whether they are still as long as they were.

A read beyond the end of a mapped file is no error that a program sees: the kernel ends the process
(SIGBUS). So the lengths are looked at before every search, which costs some microseconds. They are asked of
open files: a version that was deleted while it is served stays as it is and readable.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from pathlib import Path

from retrieval.errors import IndexRefusedError


class MappedFiles:
    """The files of one version that are mapped."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files = [
            (path, descriptor, os.fstat(descriptor).st_size)
            for path in paths
            for descriptor in [os.open(path, os.O_RDONLY)]
        ]
        weakref.finalize(self, _close, [descriptor for _, descriptor, _ in self._files])

    def check(self) -> None:
        """Raises IndexRefusedError where one of them was cut short."""
        for path, descriptor, size in self._files:
            if os.fstat(descriptor).st_size < size:
                raise IndexRefusedError(
                    f"{path} was cut short while it was served. Build the index again: a running service "
                    "takes the new version by itself."
                )


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
