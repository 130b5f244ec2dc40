"""MilvusIndex: the passages on a Milvus server or cluster, or in a Milvus Lite file; one URI decides.

    FOLDER/current                 as with files: the version that is served
    FOLDER/v000001/manifest.json   address, collection, embedder
    FOLDER/embedders/NAME/         the embedded embedder
    server                         the collection: passages, BM25 and vectors

Machines that serve share the small folder (or a copy of it) and the server. Documents are added and
deleted in the collection that is in service; a build fills a new one and then renames ``current``.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from kg_builder.files import read_manifest, write_manifest, write_text
from kg_builder.passage import Passage
from retrieval.embedder import Embedder
from retrieval.errors import IndexRefusedError, SearchError
from retrieval.evidence import Evidence
from retrieval.fusion import fuse, title_scores
from retrieval.index import (
    DEPTH,
    ENCODE_BLOCK,
    SPARE,
    Mode,
    Progress,
    silent,
    without_repeats,
)
from retrieval.index_version import (
    check_files,
    default_dense_weight,
    embedder_record,
    find_embedder,
    prune_embedders,
)
from retrieval.lexical import query_terms
from retrieval.milvus_collection import FIELDS, Collection, MilvusError, mark, passage_of
from retrieval.passage_text import passage_text
from retrieval.store import MAX_TITLED, IndexedDocument, content_digest, file_of, name_spans
from retrieval.versions import (
    ASIDE,
    CURRENT,
    checksums,
    current_stamp,
    current_version,
    exclusive,
    next_name,
    prune,
    sync,
)

logger = logging.getLogger(__name__)

FORMAT, FORMAT_VERSION = "zhizhi-milvus", 2
UNFINISHED = ".collection"  # names the collection of a build that has not ended


class MilvusIndex:
    """Search over the current version's collection. Safe to share between threads."""

    def __init__(self, folder: Path, manifest: dict[str, Any], embedder: Embedder | None) -> None:
        self.folder = folder
        self._given = embedder
        self._stamp: tuple[int, int] | None = None  # of the ``current`` that was looked at last
        self._lock = threading.Lock()
        self._take(manifest)

    def _take(self, manifest: dict[str, Any]) -> None:
        """Serve this version from now on; raises where it cannot be served."""
        folder = self.folder / str(manifest["version"])
        check_files(folder, manifest["files"], verify=False)
        embedder = find_embedder(folder, manifest["embedder"], self._given)
        collection = Collection.connect(self.folder, manifest["uri"], manifest["collection"])
        if not collection.exists():
            raise IndexRefusedError(
                f"{self.folder}: Milvus at {manifest['uri']} has no collection {collection.name}. "
                "Build the index again."
            )
        collection.load()
        self.manifest, self.embedder, self.collection = manifest, embedder, collection

    # ── making and changing ──────────────────────────────────────────────────────────────────────

    @classmethod
    def build(
        cls,
        passages: Iterable[Passage],
        folder: Path,
        embedder: Embedder | None = None,
        *,
        uri: str,
        progress: Progress | None = None,
        dense_weight: float | None = None,
    ) -> MilvusIndex:
        """Index ``passages`` alone, in a new collection at ``uri``: ``http://host:19530`` or the name
        of a Milvus Lite file in ``folder`` that ends in ``.db``."""
        held = list(passages)
        _refuse_repeats(held)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder), _answering(folder, uri):
            collection = Collection.connect(folder, uri, f"zhizhi_{secrets.token_hex(8)}")
            old = _served(folder)
            unfinished = folder / UNFINISHED
            if unfinished.exists():  # of a build that was killed; we hold the lock
                collection.sibling(unfinished.read_text(encoding="utf-8").strip()).drop()
            write_text(unfinished, collection.name + "\n")
            name = next_name(folder)
            aside = folder / f"{ASIDE}-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            try:
                collection.create(None if embedder is None else embedder.dimension)
                _write(collection, held, embedder, progress or silent)
                record = None if embedder is None else embedder_record(embedder, folder)
                if dense_weight is None:
                    dense_weight = default_dense_weight(embedder)
                manifest = {
                    "format": FORMAT,
                    "format_version": FORMAT_VERSION,
                    "version": name,
                    "created": datetime.now(UTC).isoformat(timespec="seconds"),
                    "uri": uri,
                    "collection": collection.name,
                    # Searches that began before the change may still read the old collection: it is
                    # dropped by the build after this one.
                    "previous": None if old is None else old["collection"],
                    "embedder": record,
                    "dense_weight": dense_weight,
                    "files": checksums(aside),
                }
                write_manifest(aside, manifest)
                sync(aside)
                aside.rename(folder / name)
                write_text(folder / CURRENT, name + "\n")
                unfinished.unlink()
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            if old is not None and old["previous"] and old["uri"] == uri:
                collection.sibling(old["previous"]).drop()
            prune(folder)
            prune_embedders(folder)
            return cls(folder, manifest, embedder)

    def add(
        self,
        passages: Iterable[Passage],
        *,
        replacing: Iterable[str] = (),
        progress: Progress | None = None,
    ) -> Self:
        """Add passages. What is there of their documents, and of those ``replacing`` names, goes.

        New passages are there before the old ones go: no document is missing at any time. Unchanged
        ones are left alone.
        """
        new = list(passages)
        _refuse_repeats(new)
        with exclusive(self.folder), _answering(self.folder, self.manifest["uri"]):
            documents = [mark(file) for file in (*map(file_of, new), *replacing)]
            rows = self.collection.where("document", documents, ["key", "digest"])
            there = {row["key"]: row["digest"] for row in rows}
            changed = [p for p in new if there.get(mark(p.id)) != content_digest(p)]
            try:
                _write(self.collection, changed, self.embedder, progress or silent)
                self.collection.delete(set(there) - {mark(passage.id) for passage in new})
            finally:
                self.collection.renew_revision()
        return self

    def delete(self, ids: Iterable[str], *, progress: Progress | None = None) -> int:
        """Delete passages by id, or documents with all their passages; return how many went."""
        marks = [mark(one) for one in ids]
        with exclusive(self.folder), _answering(self.folder, self.manifest["uri"]):
            gone = {
                row["key"]
                for field in ("key", "document")
                for row in self.collection.where(field, marks, ["key"])
            }
            try:
                self.collection.delete(gone)
                if previous := self.manifest["previous"]:  # it may hold them still
                    self.collection.sibling(previous).drop()
            finally:
                # Last, so that nothing read before is taken for the new state; and where nothing was
                # there to delete too: whoever deletes again may have been interrupted the first time.
                self.collection.renew_revision()
        return len(gone)

    # ── serving ──────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def open(
        cls, folder: Path, embedder: Embedder | None = None, *, verify: bool = False
    ) -> MilvusIndex:
        """Raises IndexRefusedError, with the reason, for whatever cannot be served."""
        manifest = _served(folder)
        if manifest is None:
            raise IndexRefusedError(
                f"{folder}: no Milvus index there. Build one with `zhizhi index build --milvus`."
            )
        if verify:
            check_files(folder / str(manifest["version"]), manifest["files"], verify=True)
        with _answering(folder, manifest["uri"]):
            return cls(folder, manifest, embedder)

    def _refresh(self) -> None:
        """Take another version as soon as ``current`` names it."""
        stamp = current_stamp(self.folder)
        if stamp in (None, self._stamp):
            return
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                manifest = _served(self.folder)
                if manifest is None:
                    raise IndexRefusedError("it is of another engine.")
                if manifest != self.manifest:
                    self._take(manifest)
            except (IndexRefusedError, MilvusError) as error:
                # Serve on: an older answer is better than none. Said once a version.
                kept = self.manifest["version"]
                logger.error("Index %s keeps version %s: %s", self.folder, kept, error)

    @property
    def name(self) -> str:
        self._refresh()
        return str(self.manifest["version"])

    @property
    def revision(self) -> str:
        """As ``Index.revision``; kept by the server, so that every machine learns of a change."""
        self._refresh()
        try:
            return self.collection.revision()
        except MilvusError as error:
            raise SearchError(f"{self.folder}: Milvus does not answer ({error})") from error

    @property
    def created(self) -> str:
        return str(self.manifest["created"])

    @property
    def size(self) -> int:
        self._refresh()
        return self.collection.count()

    def info(self) -> dict[str, Any]:
        """What ``zhizhi index info`` prints."""
        return {
            "folder": str(self.folder),
            "version": self.name,
            "created": self.manifest["created"],
            "passages": self.size,
            "milvus": self.manifest["uri"],
            "collection": self.collection.name,
            "embedder": self.manifest["embedder"],
            "dense_weight": self.manifest["dense_weight"],
        }

    @property
    def shared(self) -> bool:
        return "://" in str(self.manifest["uri"])  # one process at a time may open a file

    def documents(self) -> list[IndexedDocument]:
        """As ``Index.documents``; raises SearchError where the server does not answer."""
        found: dict[str, IndexedDocument] = {}
        try:
            for passage in self.passages():
                identity = file_of(passage)
                known = found.get(identity, IndexedDocument(identity, passage.title, 0))
                found[identity] = known._replace(passages=known.passages + 1)
        except MilvusError as error:
            raise SearchError(f"{self.folder}: Milvus does not answer ({error})") from error
        return [found[identity] for identity in sorted(found)]

    def get(self, passage_id: str) -> Passage | None:
        rows = self.collection.where("key", [mark(passage_id)], FIELDS)
        return passage_of(rows[0]) if rows else None

    def passages(self) -> Iterator[Passage]:
        """Every passage, in no particular order."""
        self._refresh()
        return self.collection.all()

    def search(self, query: str, k: int = 10, mode: Mode = "hybrid") -> list[Evidence]:
        """As ``Index.search``; raises SearchError where the server does not answer."""
        self._refresh()
        try:
            return self._search(query, k, mode)
        except MilvusError as error:
            raise SearchError(f"{self.folder}: Milvus does not answer ({error})") from error

    def _search(self, query: str, k: int, mode: Mode) -> list[Evidence]:
        if mode == "dense" and self.embedder is None:
            raise IndexRefusedError(
                f"{self.folder} holds no vectors. Build it with an embedder, or use lexical."
            )
        if k < 1 or not query.strip():
            return []
        collection = self.collection
        depth = SPARE * k if mode != "hybrid" else max(DEPTH, 2 * SPARE * k)
        named = _titled(query, collection) if mode == "hybrid" else []
        lexical: list[tuple[str, float]] = []
        dense: list[tuple[str, float]] = []
        if mode != "dense":
            names = dict.fromkeys(title for _, title in named)
            lexical = collection.lexical(query_terms(query, names), depth)
        if mode != "lexical" and self.embedder is not None:
            dense = collection.dense(self.embedder.encode_queries([query])[0].tolist(), depth)
        scored = lexical or dense
        if mode == "hybrid":
            titles = title_scores(named, collection.count()) if named else {}
            scored = fuse(lexical, dense, titles, float(self.manifest["dense_weight"]))
        scored = scored[: SPARE * k]
        rows = collection.where("key", [key for key, _ in scored], ["key", *FIELDS])
        passages = {row["key"]: passage_of(row) for row in rows}
        evidence = (
            Evidence(passage=passages[key], score=score, provider=self.folder.name)
            for key, score in scored
            if key in passages  # not deleted since
        )
        return without_repeats(evidence)[:k]


def is_milvus(folder: Path) -> bool:
    """Whether the folder's current version is kept on Milvus."""
    return _served(folder) is not None


def _titled(question: str, collection: Collection) -> list[tuple[str, str]]:
    """As ``PassageStore.named_in``, by key in place of position."""
    spans = {mark(span): span for span in name_spans(question)}
    named: dict[str, list[str]] = {}
    for row in collection.where("name", spans, ["key", "name"]):
        named.setdefault(row["name"], []).append(row["key"])
    return [
        (key, spans[name])
        for name, keys in named.items()
        if len(keys) <= MAX_TITLED
        for key in keys
    ]


def _write(
    collection: Collection, passages: list[Passage], embedder: Embedder | None, report: Progress
) -> None:
    for start in range(0, len(passages), ENCODE_BLOCK):
        part = passages[start : start + ENCODE_BLOCK]
        vectors = embedder and embedder.encode_passages([passage_text(passage) for passage in part])
        collection.write(part, vectors)
        report("milvus", start + len(part), len(passages))


def _refuse_repeats(passages: Sequence[Passage]) -> None:
    seen: set[str] = set()
    for passage in passages:
        if passage.id in seen:
            raise IndexRefusedError(
                f"Passage id {passage.id!r} comes twice. Give every passage its own id."
            )
        seen.add(passage.id)


def _served(folder: Path) -> dict[str, Any] | None:
    """The manifest of the version in service where it is one of Milvus."""
    name = current_version(folder)
    manifest = read_manifest(folder / name) if name else None
    if manifest is None or manifest.get("format") != FORMAT:
        return None
    if manifest.get("format_version") != FORMAT_VERSION:
        raise IndexRefusedError(
            f"{folder}: format version {manifest.get('format_version')!r}, this program reads "
            f"{FORMAT_VERSION}. Build it again."
        )
    return manifest


@contextmanager
def _answering(folder: Path, uri: str) -> Iterator[None]:
    """A server that fails while an index is opened or changed is something that a user can mend."""
    try:
        yield
    except MilvusError as error:
        raise IndexRefusedError(
            f"{folder}: Milvus at {uri} does not answer as it should ({error}). See to the server."
        ) from error
