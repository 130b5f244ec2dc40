"""Index: passages, BM25 and vectors in one versioned folder.

    FOLDER/current                 the name of the version that is served, replaced atomically
    FOLDER/v000002/manifest.json   written last: what is in it, with which embedder, checksums
                  /passages.sqlite
                  /lexical/        bm25s, memory-mapped
                  /dense/          vectors, and cells above dense.EXACT_LIMIT
    FOLDER/embedders/NAME/         the embedded embedder, once for all versions; of others only the name

A version never changes. Building writes a new one aside and then renames ``current``: a build that
is killed leaves the old version in service, and a running service takes the new one with its next
search.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from kg_builder.files import digest, read_manifest, write_manifest, write_text
from kg_builder.passage import Passage
from retrieval.dense import DenseIndex
from retrieval.embedder import Embedder, Vectors
from retrieval.errors import IndexRefusedError
from retrieval.evidence import Evidence
from retrieval.fusion import fuse, title_scores
from retrieval.index_version import (
    FORMAT,
    FORMAT_VERSION,
    STORE,
    IndexVersion,
    default_dense_weight,
    embedder_record,
    prune_embedders,
)
from retrieval.lexical import Hits, LexicalIndex
from retrieval.passage_text import passage_text
from retrieval.store import (
    IndexedDocument,
    content_digest,
    document_of,
    file_of,
    write_store,
)
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

T = TypeVar("T")

Mode = Literal["lexical", "dense", "hybrid"]
Progress = Callable[[str, int, int], None]  # stage, done, total

ENCODE_BLOCK = 512
SPARE = 2  # times the passages that are wanted are ranked: mirrored folders hold each text twice
DEPTH = 50  # candidates that each ranking brings to the fusion, at least


class _Parts(NamedTuple):
    """What goes into a version beside its passages."""

    embedder: Embedder | None
    dense_weight: float | None  # None: by the kind of embedder


class Index:
    """Search over the current version of an index folder. Safe to share between threads."""

    def __init__(self, folder: Path, version: IndexVersion, embedder: Embedder | None) -> None:
        self.folder = folder
        self._embedder = embedder
        self._version = version
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None  # of the ``current`` that was looked at last

    # ── making and changing ──────────────────────────────────────────────────────────────────────

    @classmethod
    def build(
        cls,
        passages: Iterable[Passage],
        folder: Path,
        embedder: Embedder | None = None,
        *,
        progress: Progress | None = None,
        dense_weight: float | None = None,
    ) -> Index:
        """Index ``passages`` alone, whatever the folder held before; lexically where no embedder
        is.

        Vectors of unchanged passages are taken from the old version where its embedder is the same.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder):
            old = _open_current(folder, None, tolerate=True)
            held = list(passages)
            parts = _Parts(embedder, dense_weight)
            return cls._write(held, folder, parts, old, progress)

    def add(
        self,
        passages: Iterable[Passage],
        *,
        replacing: Iterable[str] = (),
        progress: Progress | None = None,
    ) -> Index:
        """Add passages. What is there of their documents, and of those ``replacing`` names, goes."""
        new = list(passages)
        documents = {*map(file_of, new), *replacing}
        return self._change(lambda old: file_of(old) not in documents, new, progress)

    def delete(self, ids: Iterable[str], *, progress: Progress | None = None) -> int:
        """Delete passages by id, or documents with all their passages; return how many went."""
        gone = set(ids)
        before = self.size
        self._change(
            lambda old: not {old.id, document_of(old.id), file_of(old)} & gone, [], progress
        )
        return before - self.size

    def _change(
        self, keep: Callable[[Passage], bool], new: list[Passage], progress: Progress | None
    ) -> Index:
        with exclusive(self.folder):
            old = _open_current(self.folder, self._embedder)
            assert old is not None  # _open_current raises where nothing can be opened
            passages = [p for p in old.store.all() if keep(p)] + new
            parts = _Parts(old.embedder, old.manifest["dense_weight"])
            fresh = self._write(passages, self.folder, parts, old, progress)
        with self._lock:
            self._version = fresh._version
            self._stamp = None  # another process may have made one since
        return self

    @classmethod
    def _write(
        cls,
        passages: list[Passage],
        folder: Path,
        parts: _Parts,
        old: IndexVersion | None,
        progress: Progress | None,
    ) -> Index:
        embedder = parts.embedder
        name = next_name(folder)
        aside = folder / f"{ASIDE}-{name}"
        for left in folder.glob(f"{ASIDE}-*"):  # of a build that was killed; we hold the lock
            shutil.rmtree(left)
        aside.mkdir()
        try:
            report = progress or silent
            write_store(_counted(passages, "store", report), aside / STORE)
            texts = [passage_text(passage) for passage in passages]
            LexicalIndex.of(_counted(texts, "lexical", report)).save(aside / "lexical")
            dense: dict[str, Any] | None = None
            if embedder is not None and passages:
                dense = DenseIndex.build(
                    _vectors(passages, texts, embedder, old, report),
                    len(passages),
                    embedder.dimension,
                    aside / "dense",
                )
            record = None if embedder is None else embedder_record(embedder, folder)
            weight = parts.dense_weight
            if weight is None:
                weight = default_dense_weight(embedder)
            report("checksums", 0, 1)
            manifest = {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "version": name,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "passages": len(passages),
                "embedder": record,
                "dense": dense,
                "dense_weight": weight,
                "files": checksums(aside),
            }
            write_manifest(aside, manifest)
            sync(aside)
            aside.rename(folder / name)
            version = IndexVersion.open(folder / name, embedder)
            write_text(folder / CURRENT, name + "\n")
            report("checksums", 1, 1)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        prune(folder)
        prune_embedders(folder)
        return cls(folder, version, embedder)

    # ── serving ──────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def open(cls, folder: Path, embedder: Embedder | None = None, *, verify: bool = False) -> Index:
        """Open the current version; raises IndexRefusedError with the reason where it cannot be
        served.

        Sizes of all files and checksums of small ones are always checked, ``verify`` checks the
        rest. ``embedder`` is needed only where the index was built with one that it cannot name.
        """
        version = _open_current(folder, embedder, verify=verify)
        assert version is not None
        return cls(folder, version, embedder)

    @property
    def version(self) -> IndexVersion:
        """The version in service. Another one is taken as soon as ``current`` names it, whichever process
        made it."""
        stamp = current_stamp(self.folder)
        if stamp not in (None, self._stamp):
            with self._lock:
                if stamp != self._stamp:
                    self._take_current()
                    self._stamp = stamp
        return self._version

    def _take_current(self) -> None:
        try:
            name = current_version(self.folder)
            manifest = read_manifest(self.folder / name) if name else None
            if name is None or (manifest and digest(manifest) == self._version.revision):
                return
            self._version = _reopen(self.folder / name, self._embedder)
        except IndexRefusedError as error:
            # Serve on: an older answer is better than none. Said once a version.
            kept = self._version.name
            logger.error("Index %s keeps version %s: %s", self.folder, kept, error)

    @property
    def name(self) -> str:
        return self.version.name

    @property
    def revision(self) -> str:
        """Differs after every change of the passages, also where a name comes again."""
        return self.version.revision

    @property
    def created(self) -> str:
        return str(self.version.manifest["created"])

    @property
    def size(self) -> int:
        return self.version.store.size

    @property
    def embedder(self) -> Embedder | None:
        return self.version.embedder

    def info(self) -> dict[str, Any]:
        """What ``zhizhi index info`` prints."""
        version = self.version
        manifest = version.manifest
        return {
            "folder": str(self.folder),
            "version": version.name,
            "created": manifest["created"],
            "passages": version.store.size,
            "documents": version.store.documents(),
            "languages": version.store.languages(),
            "embedder": manifest["embedder"],
            "dense": manifest["dense"],
            "dense_weight": manifest["dense_weight"],
            "bytes": sum(entry["bytes"] for entry in manifest["files"].values()),
        }

    @property
    def shared(self) -> bool:
        return True

    def documents(self) -> list[IndexedDocument]:
        return self.version.store.listing()

    def get(self, passage_id: str) -> Passage | None:
        return self.version.store.get(passage_id)

    def passages(self) -> Iterator[Passage]:
        return self.version.store.all()

    def search(self, query: str, k: int = 10, mode: Mode = "hybrid") -> list[Evidence]:
        """The ``k`` passages that fit best, best first.

        Hybrid fuses BM25, vectors and the titles that the question names. Scores are BM25
        (lexical), cosine (dense) or fused (hybrid: see ``retrieval.fusion``). Without vectors hybrid
        does with the rest; dense raises IndexRefusedError. A text that several documents have is found
        once.
        """
        version = self.version
        pairs = rank(version, query, SPARE * k, mode)
        found = version.store.found([position for position, _ in pairs])
        evidence = [
            Evidence(
                passage=found[position], score=score, source="index", provider=self.folder.name
            )
            for position, score in pairs
            if position in found
        ]
        return without_repeats(evidence)[:k]


def without_repeats(evidence: Iterable[Evidence]) -> list[Evidence]:
    """The evidence in its order; of passages with one title and text the first."""
    seen: dict[tuple[str, str], Evidence] = {}
    for item in evidence:
        seen.setdefault((item.passage.title, item.passage.text), item)
    return list(seen.values())


def rank(version: IndexVersion, query: str, k: int, mode: Mode) -> list[tuple[int, float]]:
    """Positions with scores, best first."""
    if k < 1 or not query.strip() or not version.store.size:
        return []
    version.mapped.check()
    if mode == "dense" and version.dense is None:
        raise IndexRefusedError(
            f"{version.folder} holds no vectors. Build it with an embedder, or use lexical."
        )
    depth = k if mode != "hybrid" else max(DEPTH, 2 * k)
    named = version.store.named_in(query) if mode == "hybrid" else []
    lexical: list[tuple[int, float]] = []
    dense: list[tuple[int, float]] = []
    if mode != "dense":
        names = dict.fromkeys(title for _, title in named)
        lexical = _pairs(version.lexical.search(query, depth, names))
    if mode != "lexical" and version.dense is not None:
        assert version.embedder is not None
        vector = version.embedder.encode_queries([query])[0]
        dense = _pairs(version.dense.search(vector, depth))
    if mode != "hybrid":
        return (lexical or dense)[:k]
    titles = title_scores(named, version.store.size)
    return fuse(lexical, dense, titles, float(version.manifest["dense_weight"]))[:k]


def _pairs(hits: Hits) -> list[tuple[int, float]]:
    positions, scores = hits
    return list(zip(positions.tolist(), scores.tolist(), strict=True))


def _vectors(
    passages: list[Passage],
    texts: list[str],
    embedder: Embedder,
    old: IndexVersion | None,
    report: Progress,
) -> Iterator[Vectors]:
    """Vectors in blocks: taken from the old version where title and text are unchanged."""
    known: dict[str, int] = {}
    if old is not None and old.dense is not None:
        record = old.manifest["embedder"]
        if record["name"] == embedder.name and record["dimension"] == embedder.dimension:
            known = old.store.digests()
    for start in range(0, len(passages), ENCODE_BLOCK):
        part = passages[start : start + ENCODE_BLOCK]
        places = [known.get(content_digest(passage)) for passage in part] if known else []
        missing = [i for i in range(len(part)) if not places or places[i] is None]
        fresh = embedder.encode_passages([texts[start + i] for i in missing]) if missing else None
        if len(missing) == len(part):
            assert fresh is not None
            block = fresh
        else:
            assert old is not None
            assert old.dense is not None
            block = old.dense.vectors[[place or 0 for place in places]]
            if fresh is not None:
                block[missing] = fresh
        yield block
        report("dense", start + len(part), len(passages))


def _open_current(
    folder: Path, embedder: Embedder | None, *, verify: bool = False, tolerate: bool = False
) -> IndexVersion | None:
    name: str | None = None
    try:
        name = current_version(folder)
        if name is None:
            raise IndexRefusedError(
                f"{folder}: no index there. Build one with `zhizhi index build`."
            )
        return IndexVersion.open(folder / name, embedder, verify=verify)
    except IndexRefusedError:
        if name is not None and _names_another(folder, name):
            return _open_current(folder, embedder, verify=verify, tolerate=tolerate)
        if tolerate:  # a build from nothing mends a damaged index
            return None
        raise


def _names_another(folder: Path, name: str) -> bool:
    """Whether the index was changed, and version ``name`` deleted, while it was opened."""
    try:
        return current_version(folder) not in (None, name)
    except IndexRefusedError:
        return False


def _reopen(folder: Path, embedder: Embedder | None) -> IndexVersion:
    """A newer version may have an embedder of its own beside it, or be of the one we were given."""
    try:
        return IndexVersion.open(folder, embedder)
    except IndexRefusedError:
        if embedder is None:
            raise
        return IndexVersion.open(folder, None)


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


def _counted(items: Sequence[T], stage: str, report: Progress) -> Iterator[T]:
    for number, item in enumerate(items, 1):
        yield item
        if number % 1000 == 0 or number == len(items):
            report(stage, number, len(items))
