"""Versions of an index: folders that never change, and the one name that says which is served."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kg_builder.files import MANIFEST, sha256_file
from retrieval.errors import IndexRefusedError

NAME = re.compile(rb"v\d{6,}")
CURRENT, LOCK, ASIDE = "current", ".lock", ".building"
KEPT_VERSIONS = 2  # the one in service, and the one that a running search may still read


def current_version(folder: Path) -> str | None:
    """The name of the version that is served, None where there is none.

    Raises IndexRefusedError where the file names no version: it leads nowhere out of the index's folder.
    """
    try:
        name = (folder / CURRENT).read_bytes()[:100].strip()
    except OSError:
        return None
    if not NAME.fullmatch(name):
        raise IndexRefusedError(
            f"{folder / CURRENT} is damaged: it names no version such as v000001, but {name[:20]!r}. "
            "Write the name of a version into it that is there, or build the index again."
        )
    return name.decode()


def next_name(folder: Path) -> str:
    numbers = [int(p.name[1:]) for p in folder.glob("v??????") if p.name[1:].isdigit()]
    return f"v{max(numbers, default=0) + 1:06d}"


def checksums(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file but the manifest."""
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def sync(folder: Path) -> None:
    """Have the disk hold every file before ``current`` names them."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def prune(folder: Path) -> None:
    """Delete all but the newest versions."""
    for stale in sorted(folder.glob("v??????"))[:-KEPT_VERSIONS]:
        shutil.rmtree(stale, ignore_errors=True)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """One builder at a time; the lock goes with its process, so that a kill leaves none."""
    with (folder / LOCK).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise IndexRefusedError(
                f"{folder} is being changed by another process. Wait until it has finished."
            ) from None
        yield
