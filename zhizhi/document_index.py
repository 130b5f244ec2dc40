"""An index that is kept in step with documents: made anew where they have changed, else left alone.

FOLDER/documents.json   which documents the index was made from, and a digest of them
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kg_builder.errors import UserError
from kg_builder.files import digest, sha256_file, write_json
from zhizhi import __version__
from zhizhi.commands.options import RUN
from zhizhi.recipe import EMBEDDED
from zhizhi.serving import Served
from zhizhi.stage import console

RUNS = Path("runs")
SOURCES = "documents.json"


class DocumentsError(UserError):
    """Documents cannot be indexed where they should be."""


def choose_served(
    run: Path | None, index: Path | None, documents: Sequence[Path], *, quiet: bool = False
) -> Served:
    """What the options name, with ``documents`` indexed. Where they name nothing: the demo's run."""
    if documents:
        index = index or RUNS / documents[0].resolve().name
        update_index(documents, index, quiet=quiet)
    if index is None:
        run = run or RUN
    return Served(run, index)


def update_index(
    documents: Sequence[Path],
    folder: Path,
    *,
    embedder_name: str | None = None,
    quiet: bool = False,
) -> None:
    """Have the index in ``folder`` hold ``documents`` alone; does nothing where it does already.

    Without an ``embedder_name`` the embedded embedder is trained on the documents, or none where torch is
    not installed: words alone are searched then. Raises DocumentsError where a document is absent, where
    there are none, and where the folder holds an index of other documents, which would be lost.
    """
    from retrieval.chunking import ChunkSettings
    from retrieval.versions import current_version
    from zhizhi.indexing import NO_EMBEDDER, build_index

    shown = ", ".join(map(str, documents))
    files = list(_files(documents))
    if not files:
        raise DocumentsError(
            f"{shown}: there is no file in it. Put documents there (.md .docx .pdf .html .xlsx …)."
        )
    names = [str(path.resolve()) for path in documents]
    version = current_version(folder)
    made = _read(folder / SOURCES)
    if version is not None and made.get("documents") != names:
        other = ", ".join(made.get("documents", ())) or "what `zhizhi index build` was given"
        raise DocumentsError(
            f"{folder} holds an index of {other}, not of {shown}. Name another folder with --index, "
            f"or serve what is there: --index {folder} without --documents."
        )
    embedder_name = embedder_name or (EMBEDDED if find_spec("torch") else NO_EMBEDDER)
    chunks = ChunkSettings()
    contents = [(name, sha256_file(path)) for name, path in files]
    wanted = digest([__version__, embedder_name, chunks.model_dump(), contents])
    if version is not None and (made["digest"], made["version"]) == (wanted, version):
        console.print(f"{folder}: nothing has changed in {shown}", markup=False, soft_wrap=True)
        return
    console.print(f"{folder}: indexing {shown} …", markup=False, soft_wrap=True)
    folder.mkdir(parents=True, exist_ok=True)
    known = {"documents": names, "digest": wanted}
    # Written before and after, so that what a killed build leaves is known to be these documents, and stale.
    write_json(folder / SOURCES, known | {"version": None})
    index = build_index(
        documents, folder, embedder_name=embedder_name, chunk=chunks.size,
        overlap=chunks.overlap, quiet=quiet,
    )  # fmt: skip
    write_json(folder / SOURCES, known | {"version": index.name})
    console.print(f"{index.size:,} passages in {folder}", markup=False, soft_wrap=True)


def _files(documents: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Every file below ``documents`` that may be read, with its name there."""
    from retrieval.documents.document import LeftOut
    from retrieval.documents.folder import find_files
    from retrieval.documents.sources import Sources

    for path in documents:
        if not path.exists():
            raise DocumentsError(f"{path}: no such file or folder. Check --documents.")
    for found in find_files(documents, Sources()):
        if not isinstance(found, LeftOut):
            yield found.identity, found.path


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        value if isinstance(value, dict) and {"documents", "digest", "version"} <= {*value} else {}
    )
