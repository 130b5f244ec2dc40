"""Collection: passages on a Milvus server, with BM25 and vectors, looked up by hashes.

BM25 is Milvus's own full-text search over *our* terms: a passage's terms are stored hashed, as words
of letters and digits, which every Milvus tokenizer parts alike. So Chinese is segmented as in the
files, and the same question brings the same passages.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kg_builder.files import digest
from kg_builder.passage import Passage
from retrieval.canonical import key as canonical_key
from retrieval.errors import DocumentError, IndexRefusedError
from retrieval.lexical import K1, B
from retrieval.passage_text import passage_text
from retrieval.segmentation import terms
from retrieval.store import content_digest, file_of

TOKEN = "MILVUS_TOKEN"  # environment variable: user:password or API key of the server
SECONDS = 10.0  # for one call to the server; writing a batch may take six times as long
MAX_BYTES = 65_535  # of a VARCHAR
MAX_TERMS = 7_000  # of a passage; hashed and parted by spaces they fit into a VARCHAR
BATCH = 500
FIELDS = ["id", "title", "text", "url", "language", "entities", "origin"]
CONSISTENCY = "Session"  # what one process wrote it also reads; Strong would wait for all others


class MilvusError(Exception):
    """The server does not answer, or not as it should."""


class Collection:
    """One collection of one server. Every call raises MilvusError where the server fails."""

    def __init__(self, client: Any, uri: str, name: str) -> None:
        self.client, self.uri, self.name = client, uri, name

    @classmethod
    def connect(cls, folder: Path, uri: str, name: str) -> Collection:
        """``uri`` is an address, or the name of a Milvus Lite file in ``folder``."""
        if "://" not in uri and not uri.endswith(".db"):
            raise IndexRefusedError(
                f"Milvus at {uri!r}: neither an address (http://host:19530) nor a file (books.db)."
            )
        try:
            from pymilvus import MilvusClient, MilvusException
        except ImportError as error:
            raise IndexRefusedError(
                f"{folder} is kept on Milvus. Install its client: pip install 'zhizhi[milvus]'."
            ) from error
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # failures are raised, told by us
        address = uri if "://" in uri else str((folder / uri).resolve())
        try:
            client = MilvusClient(address, token=os.environ.get(TOKEN, ""), timeout=SECONDS)
        except (MilvusException, OSError, ValueError) as error:
            raise MilvusError(
                f"{type(error).__name__}: see to {TOKEN}, and that it runs"
            ) from error
        return cls(client, uri, name)

    def sibling(self, name: str) -> Collection:
        """Another collection of the same server."""
        return Collection(self.client, self.uri, name)

    def create(self, dimension: int | None) -> None:
        """Make it, with vectors where a dimension is given."""
        from pymilvus import DataType, Function, FunctionType

        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False)
        # Ids, titles and documents are looked up by their hashes: any text may be one, and no text can
        # become part of a filter expression.
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
        for field in ("document", "name", "digest"):
            schema.add_field(field, DataType.VARCHAR, max_length=32)
        for field in ("id", "title", "text", "url"):
            schema.add_field(field, DataType.VARCHAR, max_length=MAX_BYTES)
        schema.add_field("language", DataType.VARCHAR, max_length=8)
        schema.add_field("entities", DataType.JSON)
        schema.add_field("origin", DataType.JSON)  # the file and the places in it
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
        indexes = self.client.prepare_index_params()
        indexes.add_index(
            "sparse",
            index_type="SPARSE_INVERTED_INDEX",
            metric_type="BM25",
            params={"bm25_k1": K1, "bm25_b": B},
        )
        if dimension is not None:
            schema.add_field("dense", DataType.FLOAT_VECTOR, dim=dimension)
            indexes.add_index("dense", index_type="AUTOINDEX", metric_type="IP")
        with _reaching():
            self.client.create_collection(
                self.name,
                schema=schema,
                index_params=indexes,
                consistency_level=CONSISTENCY,
                timeout=SECONDS,
            )

    def exists(self) -> bool:
        with _reaching():
            return bool(self.client.has_collection(self.name, timeout=SECONDS))

    def load(self) -> None:
        """Have the server keep it in memory: only then can it be searched."""
        with _reaching():
            self.client.load_collection(self.name, timeout=6 * SECONDS)

    def drop(self) -> None:
        with _reaching():
            self.client.drop_collection(self.name, timeout=SECONDS)

    def count(self) -> int:
        with _reaching():
            rows = self.client.query(
                self.name, filter="", output_fields=["count(*)"],
                consistency_level=CONSISTENCY, timeout=SECONDS,
            )  # fmt: skip
        return int(rows[0]["count(*)"])

    def write(self, passages: Sequence[Passage], vectors: Any | None) -> None:
        """Insert passages, or replace those of the same id."""
        rows = [_row(passage) for passage in passages]
        if vectors is not None:
            for row, vector in zip(rows, vectors, strict=True):
                row["dense"] = vector.tolist()
        with _reaching():
            self.client.upsert(self.name, rows, timeout=6 * SECONDS)

    def delete(self, marks: Iterable[str]) -> None:
        for part in _batches(sorted(marks)):
            with _reaching():
                self.client.delete(self.name, filter=_is_in("key", part), timeout=SECONDS)

    def where(self, field: str, marks: Iterable[str], fields: list[str]) -> list[dict[str, Any]]:
        """``fields`` of the rows whose ``field`` is one of ``marks``."""
        found: list[dict[str, Any]] = []
        for part in _batches(list(dict.fromkeys(marks))):
            with _reaching():
                found += self.client.query(
                    self.name, filter=_is_in(field, part), output_fields=fields,
                    consistency_level=CONSISTENCY, timeout=SECONDS,
                )  # fmt: skip
        return found

    def all(self) -> Iterator[Passage]:
        """Every passage, in no particular order."""
        with _reaching():
            rows = self.client.query_iterator(
                self.name, batch_size=BATCH, output_fields=FIELDS, timeout=SECONDS
            )
            try:
                while batch := rows.next():
                    yield from map(passage_of, batch)
            finally:
                rows.close()

    def lexical(self, words: Iterable[str], k: int) -> list[tuple[str, float]]:
        """(mark, BM25) of the passages that fit the terms best; a term given twice counts twice."""
        text = hashed(words)
        # Milvus Lite gives BM25 scores with a minus sign, the server without; both multiply by k1 + 1,
        # which retrieval.lexical leaves out: equal scores make the fusion the same.
        hits = self._nearest("sparse", "BM25", text, k)
        return [(mark, abs(score) / (K1 + 1)) for mark, score in hits]

    def dense(self, vector: list[float], k: int) -> list[tuple[str, float]]:
        """(mark, cosine) of the passages whose vectors are nearest."""
        return self._nearest("dense", "IP", vector, k)

    def _nearest(self, field: str, metric: str, wanted: Any, k: int) -> list[tuple[str, float]]:
        if not wanted:
            return []
        with _reaching():
            hits = self.client.search(
                self.name,
                data=[wanted],
                anns_field=field,
                limit=k,
                search_params={"metric_type": metric},
                output_fields=["key"],
                consistency_level=CONSISTENCY,
                timeout=SECONDS,
            )[0]
        return [(str(hit["key"]), float(hit["distance"])) for hit in hits]


@contextmanager
def _reaching() -> Iterator[None]:
    from pymilvus import MilvusException

    try:
        yield
    except MilvusException as error:
        raise MilvusError(error.message or type(error).__name__) from error


def _row(passage: Passage) -> dict[str, Any]:
    for field in ("id", "title", "text", "url"):
        size = len(getattr(passage, field).encode())
        if size > MAX_BYTES:
            raise DocumentError(
                f"Passage {passage.id[:80]!r}: its {field} has {size} bytes, Milvus keeps "
                f"{MAX_BYTES}. Cut it into passages first."
            )
    return {
        "key": mark(passage.id),
        "document": mark(file_of(passage)),
        "name": mark(canonical_key(passage.title)),
        "digest": content_digest(passage),
        "id": passage.id,
        "title": passage.title,
        "text": passage.text,
        "url": passage.url,
        "language": passage.language,
        "entities": list(passage.entities),
        "origin": {
            "document": passage.document,
            "locations": [place.model_dump() for place in passage.locations],
        },
        "terms": hashed(terms(passage_text(passage))),
    }


def hashed(words: Iterable[str]) -> str:
    """Terms as words of letters and digits, so that no tokenizer cuts or drops one."""
    return " ".join(f"{zlib.crc32(word.encode()):08x}" for word in [*words][:MAX_TERMS])


def mark(text: str) -> str:
    """The hash that an id, a document or a title is looked up by."""
    return digest(text)


def _is_in(field: str, marks: Sequence[str]) -> str:
    return f"{field} in {json.dumps(list(marks))}"


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def passage_of(row: dict[str, Any]) -> Passage:
    fields = {field: row[field] for field in FIELDS if field != "origin"}
    return Passage.model_validate({**fields, **row["origin"]})
