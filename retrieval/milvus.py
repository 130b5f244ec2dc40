"""MilvusIndex: the passages on a Milvus server or cluster, or in a Milvus Lite file; one URI decides.

    FOLDER/current                 as with files: the version that is served
    FOLDER/v000001/manifest.json   address, collection, embedder
                  /embedder/       the embedded embedder
                  /reader.json     what the extractive reader learnt
    server                         the collection: passages, BM25 and vectors

Machines that serve share the small folder (or a copy of it) and the server. Documents are added and
deleted in the collection that is in service; a build fills a new one and then renames ``current``.

BM25 is Milvus's own full-text search over *our* terms: a passage's terms are stored hashed, as words
of letters and digits, which every Milvus tokenizer parts alike. So Chinese is segmented as in the
files, and the same question brings the same passages.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from kg_builder.files import digest, read_manifest, write_manifest, write_text
from kg_builder.passage import Passage
from kg_builder.relation import Catalogue
from retrieval.canonical import key as canonical_key
from retrieval.embedder import Embedder
from retrieval.errors import DocumentError, IndexRefusedError, SearchError
from retrieval.evidence import Evidence
from retrieval.index import (
    DEPTH,
    ENCODE_BLOCK,
    READER_SAMPLE,
    Mode,
    Progress,
    fuse,
    silent,
    titled,
)
from retrieval.index_version import (
    EMBEDDER,
    READER,
    check_files,
    default_dense_weight,
    embedder_record,
    find_embedder,
)
from retrieval.lexical import K1, B
from retrieval.passage_text import passage_text
from retrieval.reader_model import ReaderModel, train_reader
from retrieval.segmentation import terms
from retrieval.store import MAX_TITLED, content_digest, document_of, name_spans
from retrieval.versions import (
    ASIDE,
    CURRENT,
    checksums,
    current_version,
    exclusive,
    next_name,
    prune,
    sync,
)

FORMAT, FORMAT_VERSION = "zhizhi-milvus", 1
UNFINISHED = ".collection"  # names the collection of a build that has not ended
TOKEN = "MILVUS_TOKEN"  # environment variable: user:password or API key of the server
SECONDS = 10.0  # for one call to the server
MAX_BYTES = 65_535  # of a VARCHAR
MAX_TERMS = 7_000  # of a passage; hashed and parted by spaces they fit into a VARCHAR
BATCH = 500
FIELDS = ["id", "title", "text", "url", "language", "entities"]
_CONSISTENCY = "Session"  # what one process wrote it also reads; Strong would wait for all others


class MilvusIndex:
    """Search over the current version's collection. Safe to share between threads."""

    def __init__(self, folder: Path, manifest: dict[str, Any], embedder: Embedder | None) -> None:
        self.folder = folder
        self._given = embedder
        self._load(manifest, embedder)

    def _load(self, manifest: dict[str, Any], embedder: Embedder | None) -> None:
        self.manifest = manifest
        self.embedder = embedder
        self.collection = str(manifest["collection"])
        self._client = _connect(self.folder, manifest["uri"])

    # ── making and changing ──────────────────────────────────────────────────────────────────────

    @classmethod
    def build(
        cls,
        passages: Iterable[Passage],
        folder: Path,
        embedder: Embedder | None = None,
        *,
        uri: str,
        reader: ReaderModel | None = None,
        progress: Progress | None = None,
        dense_weight: float | None = None,
    ) -> MilvusIndex:
        """Index ``passages`` alone, in a new collection at ``uri``: ``http://host:19530`` or the name
        of a Milvus Lite file in ``folder`` that ends in ``.db``."""
        if "://" not in uri and not uri.endswith(".db"):
            raise IndexRefusedError(
                f"Milvus at {uri!r}: neither an address (http://host:19530) nor a file (books.db)."
            )
        report = progress or silent
        held = list(passages)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder):
            client = _connect(folder, uri)
            old = _served(folder)
            _drop_unfinished(folder, client)
            name = next_name(folder)
            collection = f"zhizhi_{secrets.token_hex(8)}"
            write_text(folder / UNFINISHED, collection + "\n")
            aside = folder / f"{ASIDE}-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            try:
                dimension = embedder.dimension if embedder is not None else None
                _create(client, collection, dimension)
                _insert(client, collection, held, embedder, report)
                record = None if embedder is None else embedder_record(embedder, aside / EMBEDDER)
                if reader is None:
                    reader = train_reader(held[:: len(held) // READER_SAMPLE + 1], Catalogue.load())
                reader.save(aside / READER)
                if dense_weight is None:
                    dense_weight = default_dense_weight(embedder)
                manifest = {
                    "format": FORMAT,
                    "format_version": FORMAT_VERSION,
                    "version": name,
                    "created": datetime.now(UTC).isoformat(timespec="seconds"),
                    "uri": uri,
                    "collection": collection,
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
                (folder / UNFINISHED).unlink()
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            if old is not None and old["previous"] and old["uri"] == uri:
                client.drop_collection(old["previous"])
            prune(folder)
        return cls(folder, manifest, embedder)

    def add(self, passages: Iterable[Passage], *, progress: Progress | None = None) -> Self:
        """Add passages; those of a document that is there replace its old ones.

        New passages are there before the old ones go: no document is missing at any time. Unchanged
        ones are left alone.
        """
        new = list(passages)
        _refuse_repeats(new)
        with exclusive(self.folder):
            documents = [_mark(document_of(passage.id)) for passage in new]
            there = {
                row["key"]: row["digest"]
                for row in self._where("document", documents, ["key", "digest"])
            }
            changed = [p for p in new if there.get(_mark(p.id)) != content_digest(p)]
            _insert(self._client, self.collection, changed, self.embedder, progress or silent)
            self._delete(set(there) - {_mark(passage.id) for passage in new})
        return self

    def delete(self, ids: Iterable[str], *, progress: Progress | None = None) -> int:
        """Delete passages by id, or documents with all their passages; return how many went."""
        marks = [_mark(one) for one in ids]
        with exclusive(self.folder):
            gone = {
                row["key"]
                for field in ("key", "document")
                for row in self._where(field, marks, ["key"])
            }
            self._delete(gone)
        return len(gone)

    def _delete(self, keys: Iterable[str]) -> None:
        for part in _batches(sorted(keys)):
            self._client.delete(self.collection, filter=_is_in("key", part), timeout=SECONDS)

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
        found = _embedder_of(folder, manifest, embedder, verify=verify)
        index = cls(folder, manifest, found)
        if not index._client.has_collection(index.collection, timeout=SECONDS):
            raise IndexRefusedError(
                f"{folder}: Milvus at {manifest['uri']} has no collection {index.collection}. "
                "Build the index again."
            )
        index._given = embedder
        return index

    def _refresh(self) -> None:
        """Take a newer version as soon as ``current`` names it."""
        if current_version(self.folder) in (None, self.manifest["version"]):
            return
        manifest = _served(self.folder)
        if manifest is not None:
            self._load(manifest, _embedder_of(self.folder, manifest, self._given))

    @property
    def name(self) -> str:
        return str(self.manifest["version"])

    @property
    def size(self) -> int:
        self._refresh()
        rows = self._client.query(
            self.collection,
            filter="",
            output_fields=["count(*)"],
            consistency_level=_CONSISTENCY,
            timeout=SECONDS,
        )
        return int(rows[0]["count(*)"])

    def reader_model(self) -> ReaderModel | None:
        path = self.folder / self.name / READER
        return ReaderModel.load(path) if path.exists() else None

    def info(self) -> dict[str, Any]:
        """What ``zhizhi index info`` prints."""
        manifest = self.manifest
        return {
            "folder": str(self.folder),
            "version": self.name,
            "created": manifest["created"],
            "passages": self.size,
            "milvus": manifest["uri"],
            "collection": self.collection,
            "embedder": manifest["embedder"],
            "dense_weight": manifest["dense_weight"],
        }

    def get(self, passage_id: str) -> Passage | None:
        rows = self._where("key", [_mark(passage_id)], FIELDS)
        return _passage(rows[0]) if rows else None

    def passages(self) -> Iterator[Passage]:
        """Every passage, in no particular order."""
        self._refresh()
        rows = self._client.query_iterator(
            self.collection, batch_size=BATCH, output_fields=FIELDS, timeout=SECONDS
        )
        try:
            while batch := rows.next():
                yield from map(_passage, batch)
        finally:
            rows.close()

    def search(self, query: str, k: int = 10, mode: Mode = "hybrid") -> list[Evidence]:
        """As ``Index.search``; raises SearchError where the server does not answer."""
        from pymilvus import MilvusException

        try:
            self._refresh()
            return self._search(query, k, mode)
        except MilvusException as error:
            raise SearchError(f"{self.folder}: Milvus does not answer ({error})") from error

    def _search(self, query: str, k: int, mode: Mode) -> list[Evidence]:
        if mode == "dense" and self.embedder is None:
            raise IndexRefusedError(
                f"{self.folder} holds no vectors. Build it with an embedder, or use lexical."
            )
        if k < 1 or not query.strip():
            return []
        depth = k if mode != "hybrid" else max(DEPTH, 2 * k)
        rankings: dict[str, list[str]] = {}
        scored: list[tuple[str, float]] = []
        if mode != "dense":
            scored = self._nearest("sparse", _hashed(dict.fromkeys(terms(query))), depth)
            rankings["lexical"] = [key for key, _ in scored]
        if mode != "lexical" and self.embedder is not None:
            vector = self.embedder.encode_queries([query])[0]
            scored = self._nearest("dense", vector.tolist(), depth)
            rankings["dense"] = [key for key, _ in scored]
        if mode == "hybrid":
            rankings["title"] = titled(self._named_in(query), rankings["lexical"])
            scored = fuse(rankings, float(self.manifest["dense_weight"]))
        scored = scored[:k]
        rows = self._where("key", [key for key, _ in scored], ["key", *FIELDS])
        passages = {row["key"]: _passage(row) for row in rows}
        return [
            Evidence(passage=passages[key], score=score, provider=self.folder.name)
            for key, score in scored
            if key in passages  # not deleted since
        ]

    def _nearest(self, field: str, wanted: Any, k: int) -> list[tuple[str, float]]:
        if not wanted:
            return []
        metric = "BM25" if field == "sparse" else "IP"
        hits = self._client.search(
            self.collection,
            data=[wanted],
            anns_field=field,
            limit=k,
            search_params={"metric_type": metric},
            output_fields=["key"],
            consistency_level=_CONSISTENCY,
            timeout=SECONDS,
        )[0]
        # Milvus Lite gives BM25 scores with a minus sign, the server without.
        sign = abs if field == "sparse" else float
        return [(str(hit["key"]), float(sign(hit["distance"]))) for hit in hits]

    def _named_in(self, question: str) -> list[tuple[str, int]]:
        """As ``PassageStore.named_in``."""
        spans = {_mark(span): len(span) for span in name_spans(question)}
        named: dict[str, list[str]] = {}
        for row in self._where("name", list(spans), ["key", "name"]):
            named.setdefault(row["name"], []).append(row["key"])
        return [
            (key, spans[name])
            for name, keys in named.items()
            if len(keys) <= MAX_TITLED
            for key in keys
        ]

    def _where(self, field: str, values: Sequence[str], fields: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for part in _batches(list(dict.fromkeys(values))):
            found += self._client.query(
                self.collection,
                filter=_is_in(field, part),
                output_fields=fields,
                consistency_level=_CONSISTENCY,
                timeout=SECONDS,
            )
        return found


def _connect(folder: Path, uri: str) -> Any:
    """A client; raises IndexRefusedError where nothing answers."""
    try:
        from pymilvus import MilvusClient, MilvusException
    except ImportError as error:
        raise IndexRefusedError(
            f"{folder} is kept on Milvus. Install its client: pip install 'zhizhi[milvus]'."
        ) from error
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what fails is raised and told by us
    address = uri if "://" in uri else str((folder / uri).resolve())
    try:
        return MilvusClient(address, token=os.environ.get(TOKEN, ""), timeout=SECONDS)
    except (MilvusException, OSError, ValueError) as error:
        raise IndexRefusedError(
            f"Milvus at {uri} does not answer ({type(error).__name__}). "
            f"Start it, or see to its address and {TOKEN}."
        ) from error


def _create(client: Any, collection: str, dimension: int | None) -> None:
    from pymilvus import DataType, Function, FunctionType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    # Ids, titles and documents are looked up by their hashes: any text may be one, and no text can
    # become part of a filter expression.
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
    for field in ("document", "name", "digest"):
        schema.add_field(field, DataType.VARCHAR, max_length=32)
    for field in ("id", "title", "text", "url"):
        schema.add_field(field, DataType.VARCHAR, max_length=MAX_BYTES)
    schema.add_field("language", DataType.VARCHAR, max_length=8)
    schema.add_field("entities", DataType.JSON)
    schema.add_field(
        "terms",
        DataType.VARCHAR,
        max_length=MAX_BYTES,
        enable_analyzer=True,
        analyzer_params={"tokenizer": "standard"},
    )
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["terms"],
            output_field_names=["sparse"],
        )
    )
    indexes = client.prepare_index_params()
    indexes.add_index(
        "sparse",
        index_type="SPARSE_INVERTED_INDEX",
        metric_type="BM25",
        params={"bm25_k1": K1, "bm25_b": B},
    )
    if dimension is not None:
        schema.add_field("dense", DataType.FLOAT_VECTOR, dim=dimension)
        indexes.add_index("dense", index_type="AUTOINDEX", metric_type="IP")
    client.create_collection(
        collection,
        schema=schema,
        index_params=indexes,
        consistency_level=_CONSISTENCY,
        timeout=SECONDS,
    )


def _insert(
    client: Any,
    collection: str,
    passages: list[Passage],
    embedder: Embedder | None,
    report: Progress,
) -> None:
    _refuse_repeats(passages)
    for start in range(0, len(passages), ENCODE_BLOCK):
        part = passages[start : start + ENCODE_BLOCK]
        texts = [passage_text(passage) for passage in part]
        rows = [_row(passage, text) for passage, text in zip(part, texts, strict=True)]
        if embedder is not None:
            for row, vector in zip(rows, embedder.encode_passages(texts), strict=True):
                row["dense"] = vector.tolist()
        client.upsert(collection, rows, timeout=6 * SECONDS)
        report("milvus", start + len(part), len(passages))


def _row(passage: Passage, text: str) -> dict[str, Any]:
    for field in ("id", "title", "text", "url"):
        size = len(getattr(passage, field).encode())
        if size > MAX_BYTES:
            raise DocumentError(
                f"Passage {passage.id[:80]!r}: its {field} has {size} bytes, Milvus keeps "
                f"{MAX_BYTES}. Cut it into passages first."
            )
    return {
        "key": _mark(passage.id),
        "document": _mark(document_of(passage.id)),
        "name": _mark(canonical_key(passage.title)),
        "digest": content_digest(passage),
        "id": passage.id,
        "title": passage.title,
        "text": passage.text,
        "url": passage.url,
        "language": passage.language,
        "entities": list(passage.entities),
        "terms": _hashed(terms(text)),
    }


def _refuse_repeats(passages: Sequence[Passage]) -> None:
    seen: set[str] = set()
    for passage in passages:
        if passage.id in seen:
            raise IndexRefusedError(
                f"Passage id {passage.id!r} comes twice. Give every passage its own id."
            )
        seen.add(passage.id)


def _hashed(words: Iterable[str]) -> str:
    """Terms as words of letters and digits, so that no tokenizer cuts or drops one."""
    return " ".join(f"{zlib.crc32(word.encode()):08x}" for word in [*words][:MAX_TERMS])


def _mark(text: str) -> str:
    return digest(text)


def _is_in(field: str, marks: Sequence[str]) -> str:
    return f"{field} in {json.dumps(list(marks))}"


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _passage(row: dict[str, Any]) -> Passage:
    return Passage.model_validate({field: row[field] for field in FIELDS})


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


def is_milvus(folder: Path) -> bool:
    """Whether the folder's current version is kept on Milvus."""
    return _served(folder) is not None


def _embedder_of(
    folder: Path, manifest: dict[str, Any], given: Embedder | None, *, verify: bool = False
) -> Embedder | None:
    version = folder / str(manifest["version"])
    check_files(version, manifest["files"], verify=verify)
    return find_embedder(version, manifest["embedder"], given)


def _drop_unfinished(folder: Path, client: Any) -> None:
    """The collection of a build that was killed; we hold the lock."""
    path = folder / UNFINISHED
    if path.exists():
        client.drop_collection(path.read_text(encoding="utf-8").strip())
        path.unlink()
