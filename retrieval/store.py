"""PassageStore: the passages themselves beside the indexes, in SQLite, read-only when served."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kg_builder.files import digest
from kg_builder.passage import Passage
from retrieval.canonical import key
from retrieval.errors import IndexRefusedError
from retrieval.segmentation import is_han

logger = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE passage (
    position INTEGER PRIMARY KEY,  -- row in the vector and lexical indexes, from 0
    id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,        -- the file that the passage was cut from; delete and update go by it
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    url TEXT NOT NULL,
    language TEXT NOT NULL,
    entities TEXT NOT NULL,        -- JSON list
    locations TEXT NOT NULL,       -- JSON list
    digest TEXT NOT NULL,          -- of title and text: equal digests share their vectors
    name TEXT NOT NULL             -- the title in canonical form: looked up by what a question names
);
CREATE INDEX passage_document ON passage (document);
CREATE INDEX passage_name ON passage (name);
"""
_COLUMNS = "id, title, text, url, language, entities, document, locations"
# One id may stand for a whole document: PASSAGE = DOCUMENT#NUMBER.
PART = "#"
MAX_TITLED = 30  # passages of one title that a question can name; more are the chunks of a book
MAX_QUESTION, MAX_NAME = 200, 40  # characters: longer ones are looked up by their words only
_BATCH = 500  # SQLite allows 999 parameters a statement in its oldest builds


class IndexedDocument(NamedTuple):
    """A document of an index, and how many passages it has there."""

    id: str
    title: str
    passages: int


def document_of(passage_id: str) -> str:
    """The document of a passage: what stands before ``#NUMBER``, or all of it."""
    document, _, number = passage_id.rpartition(PART)
    return document if document and number.isdigit() else passage_id


def file_of(passage: Passage) -> str:
    """The document whose passages are replaced and deleted together with this one."""
    return passage.document or document_of(passage.id)


def content_digest(passage: Passage) -> str:
    return digest([passage.title, passage.text])


def write_store(passages: Iterable[Passage], path: Path) -> int:
    """Write passages in order of position; raises IndexRefusedError where an id comes twice."""
    connection = sqlite3.connect(path)
    try:
        # The whole index is thrown away when building it fails: no journal is needed.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_SCHEMA)
        count = 0
        for passage in passages:
            row = (
                count,
                passage.id,
                file_of(passage),
                passage.title,
                passage.text,
                passage.url,
                passage.language,
                json.dumps(passage.entities, ensure_ascii=False),
                locations_json(passage),
                content_digest(passage),
                key(passage.title),
            )
            try:
                connection.execute("INSERT INTO passage VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
            except sqlite3.IntegrityError as error:
                raise IndexRefusedError(
                    f"Passage id {passage.id!r} comes twice. Give every passage its own id."
                ) from error
            count += 1
        connection.commit()
    finally:
        connection.close()
    return count


class PassageStore:
    """Reads passages by position or id, from any thread.

    One connection, opened at once: a version that is deleted while it is served stays readable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            # immutable: the file never changes, so SQLite need not lock or look for a journal.
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro&immutable=1",
                uri=True,
                check_same_thread=False,
            )
            self.size = int(self._rows("SELECT count(*) FROM passage")[0][0])
        except sqlite3.Error as error:
            raise IndexRefusedError(
                f"{path}: no passage store ({error}). Build the index again."
            ) from error

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def at(self, positions: Sequence[int]) -> list[Passage]:
        """The passages at these positions, in this order; KeyError where one is not there."""
        found = self.found(positions)
        return [found[int(position)] for position in positions]

    def found(self, positions: Sequence[int]) -> dict[int, Passage]:
        """The passages at these positions by position. A row that is damaged costs itself alone: it is
        logged and left out."""
        found: dict[int, Passage] = {}
        wanted = [int(position) for position in positions]
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            rows = self._rows(
                f"SELECT position, {_COLUMNS} FROM passage WHERE position IN ({marks})", part
            )
            for position, *row in rows:
                try:
                    found[position] = _passage(row)
                except (ValueError, TypeError) as error:
                    logger.error("%s: passage %d is damaged (%s)", self.path, position, error)
        return found

    def get(self, passage_id: str) -> Passage | None:
        rows = self._rows(f"SELECT {_COLUMNS} FROM passage WHERE id = ?", (passage_id,))
        return _passage(rows[0]) if rows else None

    def named_in(self, question: str, most: int = MAX_TITLED) -> list[tuple[int, str]]:
        """(position, title in canonical form) of passages whose title stands in the question, longest
        first.

        A name outweighs every word around it: 「哪个省级行政区有丽江?」 shares most of its words with
        passages about other places. Titles of more than ``most`` passages (the chunks of a book) do
        not tell which one is meant and are left to BM25.
        """
        spans = name_spans(question)
        found: list[tuple[int, str]] = []
        for start in range(0, len(spans), _BATCH):
            part = spans[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            found += self._rows(
                "SELECT position, name FROM passage WHERE name IN ("
                f"SELECT name FROM passage WHERE name IN ({marks})"
                f" GROUP BY name HAVING count(*) <= {int(most)})",
                part,
            )
        return sorted(found, key=lambda row: (-len(row[1]), row[0]))

    def all(self) -> Iterator[Passage]:
        """Every passage in order of position."""
        for start in range(0, self.size, _BATCH):
            yield from map(
                _passage,
                self._rows(
                    f"SELECT {_COLUMNS} FROM passage WHERE position >= ? AND position < ?"
                    " ORDER BY position",
                    (start, start + _BATCH),
                ),
            )

    def digests(self) -> dict[str, int]:
        """Content digest → a position that has it."""
        return dict(self._rows("SELECT digest, position FROM passage"))

    def documents(self) -> int:
        return int(self._rows("SELECT count(DISTINCT document) FROM passage")[0][0])

    def listing(self) -> list[IndexedDocument]:
        """Every document by id, under the title of its first passage."""
        return [
            IndexedDocument(*row[:3])
            for row in self._rows(
                # SQLite takes a column without an aggregate from the row that has the minimum.
                "SELECT document, title, count(*), min(position) FROM passage"
                " GROUP BY document ORDER BY document"
            )
        ]

    def languages(self) -> dict[str, int]:
        return dict(self._rows("SELECT language, count(*) FROM passage GROUP BY language"))


def name_spans(question: str) -> list[str]:
    """Every part of a question that could be a title: Chinese anywhere, Latin at word borders."""
    text = key(question)[:MAX_QUESTION]
    starts = [i for i in range(len(text)) if _is_border(text, i)]
    ends = [i for i in range(1, len(text) + 1) if _is_border(text, i)]
    spans = {
        text[start:end].strip() for start in starts for end in ends if 0 < end - start <= MAX_NAME
    }
    return sorted(spans - {""})


def _is_border(text: str, place: int) -> bool:
    """Whether a name may start or end here: not within a Latin word or a number."""
    if place in (0, len(text)):
        return True
    left, right = text[place - 1], text[place]
    return not (left.isalnum() and right.isalnum()) or is_han(left) or is_han(right)


def locations_json(passage: Passage) -> str:
    """A passage's locations as the indexes keep them."""
    return json.dumps([place.model_dump() for place in passage.locations], ensure_ascii=False)


def _passage(row: Sequence[str]) -> Passage:
    identity, title, text, url, language, entities, document, locations = row
    return Passage.model_validate(
        {
            "id": identity,
            "title": title,
            "text": text,
            "url": url,
            "language": language,
            "entities": tuple(json.loads(entities)),
            "document": "" if document == document_of(identity) else document,
            "locations": tuple(json.loads(locations)),
        }
    )
