"""IndexVersion: one immutable version of an index, opened and checked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from kg_builder.files import MANIFEST, read_manifest, sha256_file
from retrieval.dense import DenseIndex
from retrieval.embedder import Embedder, NgramEmbedder, SentenceTransformerEmbedder
from retrieval.errors import EmbedderError, IndexRefusedError
from retrieval.lexical import LexicalIndex
from retrieval.mapped import MappedFiles
from retrieval.store import PassageStore
from retrieval.versions import checksums, sync

FORMAT, FORMAT_VERSION = "zhizhi-index", 2
STORE = "passages.sqlite"
EMBEDDERS = (
    "embedders"  # folder beside the versions: one embedder serves all that were built with it
)
ALWAYS_HASHED = 32 * 2**20  # bytes; larger files are hashed only when asked for
# Weight of the cosines beside BM25's 1 (see retrieval.fusion): the embedded embedder knows little
# language, a pretrained one is BM25's equal.
EMBEDDED_WEIGHT, PRETRAINED_WEIGHT = 0.1, 1.0
_OPEN: WeakValueDictionary[str, NgramEmbedder] = WeakValueDictionary()


class IndexVersion:
    """The open parts of one version. ``embedder`` is None where the index is lexical only."""

    def __init__(
        self,
        folder: Path,
        manifest: dict[str, Any],
        store: PassageStore,
        lexical: LexicalIndex,
        dense: DenseIndex | None,
        embedder: Embedder | None,
    ) -> None:
        self.folder = folder
        self.name = folder.name
        self.manifest = manifest
        self.store = store
        self.lexical = lexical
        self.dense = dense
        self.embedder = embedder
        # SQLite reads its file; the others are mapped.
        self.mapped = MappedFiles(
            path
            for part in ("lexical", "dense")
            for path in sorted((folder / part).glob("*"))
            if path.suffix in (".npy", ".faiss")
        )

    @classmethod
    def open(
        cls, folder: Path, embedder: Embedder | None = None, *, verify: bool = False
    ) -> IndexVersion:
        """Raises IndexRefusedError, with the reason, for whatever cannot be served."""
        manifest = read_manifest(folder)
        if manifest is None:
            raise IndexRefusedError(
                f"{folder}: no readable {MANIFEST}: this index was never finished or is damaged. "
                "Build it again."
            )
        if manifest.get("format") != FORMAT:
            raise IndexRefusedError(
                f"{folder}: format {manifest.get('format')!r}, not {FORMAT!r}. Give the folder of "
                "an index that `zhizhi index build` wrote."
            )
        if manifest.get("format_version") != FORMAT_VERSION:
            raise IndexRefusedError(
                f"{folder}: format version {manifest.get('format_version')!r}, this program reads "
                f"{FORMAT_VERSION}. Build it again."
            )
        try:
            check_files(folder, manifest["files"], verify=verify)
            store = PassageStore(folder / STORE)
            lexical = LexicalIndex.open(folder / "lexical")
            dense = DenseIndex.open(folder / "dense") if manifest["dense"] else None
            used = find_embedder(folder, manifest["embedder"], embedder)
            sizes = {manifest["passages"], store.size, lexical.size}
            if dense is not None:
                sizes.add(dense.size)
                if dense.dimension != manifest["embedder"]["dimension"]:
                    raise IndexRefusedError(f"{folder}: vectors of {dense.dimension} dimensions.")
        except (KeyError, TypeError, AttributeError) as error:
            raise IndexRefusedError(
                f"{folder}: its {MANIFEST} lacks or distorts {error}. Build it again."
            ) from error
        if len(sizes) != 1:
            raise IndexRefusedError(
                f"{folder}: its parts disagree on the number of passages: {sizes}."
            )
        return cls(folder, manifest, store, lexical, dense, used)


def default_dense_weight(embedder: Embedder | None) -> float:
    return EMBEDDED_WEIGHT if isinstance(embedder, NgramEmbedder) else PRETRAINED_WEIGHT


def embedder_record(embedder: Embedder, folder: Path) -> dict[str, Any]:
    """How to find the embedder again; ours is kept once in the index ``folder`` for all its versions."""
    record: dict[str, Any] = {"name": embedder.name, "dimension": embedder.dimension}
    if isinstance(embedder, NgramEmbedder):
        kept = folder / EMBEDDERS / embedder.name
        if not _is_whole(kept):
            shutil.rmtree(kept, ignore_errors=True)
            aside = kept.with_name(f".{embedder.name}")
            shutil.rmtree(aside, ignore_errors=True)
            embedder.save(aside)
            sync(aside)
            aside.rename(kept)
        return {"kind": "ngram", **record, "files": checksums(kept)}
    if isinstance(embedder, SentenceTransformerEmbedder):
        return {"kind": "sentence-transformers", **record, "settings": embedder.settings}
    return {"kind": "custom", **record}


def find_embedder(
    folder: Path, record: dict[str, Any] | None, given: Embedder | None
) -> Embedder | None:
    """The embedder that a version was built with; IndexRefusedError where it cannot be had."""
    if record is None:
        return None
    if given is not None:
        if given.name != record["name"]:
            raise IndexRefusedError(
                f"{folder} was built with embedder {record['name']!r}, not {given.name!r}. "
                "Open it with that one, or build it again."
            )
        return given
    if record["kind"] == "ngram":
        return _shared_embedder(folder.parent / EMBEDDERS, record)
    if record["kind"] == "sentence-transformers":
        return SentenceTransformerEmbedder(**record["settings"])
    raise IndexRefusedError(
        f"{folder} was built with embedder {record['name']!r}, which it does not contain. "
        "Give that embedder when opening the index."
    )


def _is_whole(folder: Path) -> bool:
    """Whether an embedder that was kept earlier is still what its folder is called."""
    try:
        return NgramEmbedder.load(folder).name == folder.name
    except EmbedderError:
        return False


def _shared_embedder(folder: Path, record: dict[str, Any]) -> NgramEmbedder:
    """The embedder of a record; one in memory serves every version and index that uses it."""
    name = str(record["name"])
    check_files(folder / name, record["files"], verify=False)
    known = _OPEN.get(name)
    if known is not None:
        return known
    try:
        embedder = NgramEmbedder.load(folder / name)
    except EmbedderError as error:
        raise IndexRefusedError(str(error)) from error
    if embedder.name != name:  # the name is the weights' hash
        raise IndexRefusedError(f"{folder / name} is damaged. Build the index again.")
    _OPEN[name] = embedder
    return embedder


def prune_embedders(folder: Path) -> None:
    """Delete the embedders that no version in the index ``folder`` was built with."""
    used = set()
    for version in folder.glob("v??????"):
        record = (read_manifest(version) or {}).get("embedder") or {}
        used.add(record.get("name"))
    for kept in folder.glob(f"{EMBEDDERS}/*"):
        if kept.name not in used:
            shutil.rmtree(kept, ignore_errors=True)


def check_files(folder: Path, files: dict[str, dict[str, Any]], *, verify: bool) -> None:
    """Raises IndexRefusedError where a file is missing, cut short or changed."""
    for name, entry in files.items():
        path = folder / name
        try:
            size = path.stat().st_size
        except OSError:
            raise IndexRefusedError(f"{path} is missing. Build the index again.") from None
        if size != entry["bytes"]:
            raise IndexRefusedError(
                f"{path} has {size} bytes instead of {entry['bytes']}: truncated or replaced. "
                "Build the index again."
            )
        if (verify or size <= ALWAYS_HASHED) and sha256_file(path) != entry["sha256"]:
            raise IndexRefusedError(
                f"{path} is damaged: its checksum differs from the one in {MANIFEST}. "
                "Build the index again."
            )
