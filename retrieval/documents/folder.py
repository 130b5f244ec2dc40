"""Files and folders of documents, read one by one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from retrieval.chunking import ChunkSettings
from retrieval.documents.characters import clean
from retrieval.documents.document import Extraction, LeftOut
from retrieval.documents.reader import read_document
from retrieval.documents.sources import Sources
from retrieval.errors import DocumentError

HIDDEN = re.compile(r"^[.~]|^__MACOSX$|^Thumbs\.db$")


class Found(NamedTuple):
    """A file below a path that was named, with the id of its document."""

    path: Path
    identity: str


def find_files(paths: Iterable[Path], sources: Sources) -> Iterator[Found | LeftOut]:
    """Every file below ``paths`` in a stable order; hidden ones are passed over.

    Links to folders are not followed (they may lead back) and are told. A path that is absent raises
    DocumentError.
    """
    for path in paths:
        if not path.exists():
            raise DocumentError(f"{path}: no such file or folder. Check the path.")
        root = path.resolve()
        source = sources.of(root)
        if not path.is_dir():
            yield Found(path, source)
            continue
        for folder, below, names in os.walk(path):
            below[:] = sorted(name for name in below if not HIDDEN.match(name))
            for name in [*below, *sorted(names)]:
                found = Path(folder) / name
                identity = sources.of(root / found.relative_to(path))
                if HIDDEN.match(name):
                    continue
                if found.is_symlink() and found.is_dir():
                    yield LeftOut(
                        document=clean(identity),
                        reason="a link to a folder. Name that folder itself.",
                    )
                elif name not in below:
                    yield Found(found, identity)


def read_files(
    paths: Iterable[Path],
    settings: ChunkSettings | None = None,
    *,
    sources: Sources | None = None,
) -> Iterator[Extraction]:
    """Every file below ``paths``, one after the other; see ``read_document``.

    ``sources`` says by which names folders are known to an index; without it by their own.
    """
    for found in find_files(paths, sources or Sources()):
        if isinstance(found, LeftOut):
            yield Extraction(document=found.document, left_out=(found,))
            continue
        try:
            data = found.path.read_bytes()
        except OSError as error:
            reason = f"cannot be opened ({error.strerror or error}). Check its permissions."
            left = LeftOut(document=clean(found.identity), reason=reason)
            yield Extraction(document=left.document, left_out=(left,))
            continue
        yield read_document(found.identity, data, settings)
