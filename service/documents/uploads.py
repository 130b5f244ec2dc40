"""UploadStore: uploaded files beside the index, what became of them, and what was withdrawn.

    INDEX/uploads/TOKEN/content       the file as it came
                       /upload.json   what is known of it, written last: its presence means that it came whole
    INDEX/uploads/withdrawn.json      documents that are not to come back when the index is built again

An upload that waits when the service stops is taken in after its next start. A file is locked by the
process that works on it, so that of two services on one index only one does.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kg_builder.files import write_text
from service.documents.status import LeftOutPart, State

UPLOADS, CONTENT, ABOUT, WITHDRAWN = "uploads", "content", "upload.json", "withdrawn.json"


class Upload(BaseModel):
    """One uploaded file. A second one of the same ``id`` takes the place of the first once it is read."""

    model_config = ConfigDict(frozen=True)

    token: str
    id: str
    bytes: int
    added: datetime
    state: State = "waiting"
    left_out: tuple[LeftOutPart, ...] = ()
    error: str | None = None


class Changes(BaseModel):
    """What was changed over HTTP: documents that went, and the version of the index that came of it."""

    withdrawn: frozenset[str] = frozenset()
    version: str | None = None


class UploadStore:
    """The uploads of one index folder. Files may be put from several threads; all else is one thread's."""

    def __init__(self, index_folder: Path) -> None:
        self.folder = index_folder / UPLOADS
        self._locks: dict[str, IO[Any]] = {}

    def content(self, upload: Upload) -> Path:
        return self.folder / upload.token / CONTENT

    def put(self, identity: str, source: IO[bytes]) -> Upload:
        """Keep a file; once this returns it is on disk."""
        token = secrets.token_hex(8)
        place = self.folder / token
        place.mkdir(parents=True)
        try:
            with (place / CONTENT).open("wb") as stream:
                self._lock(token)
                shutil.copyfileobj(source, stream, 1 << 20)
                stream.flush()
                os.fsync(stream.fileno())
                size = stream.tell()
            upload = Upload(token=token, id=identity, bytes=size, added=datetime.now(UTC))
            self.save(upload)
        except BaseException:
            self._unlock(token)
            shutil.rmtree(place, ignore_errors=True)
            raise
        return upload

    def save(self, upload: Upload) -> None:
        """Write what is known of an upload, unless it was withdrawn; one that is done is locked no longer."""
        if not self.holds(upload):
            return
        write_text(self.folder / upload.token / ABOUT, upload.model_dump_json(indent=2) + "\n")
        if upload.state in ("ready", "failed"):
            self._unlock(upload.token)
        if upload.state == "failed":
            self.content(upload).unlink(missing_ok=True)  # nothing can be read from it

    def holds(self, upload: Upload) -> bool:
        """Whether nobody has withdrawn it, this process or another one."""
        return (self.folder / upload.token).is_dir()

    def all(self) -> Iterator[Upload]:
        """Every upload that came whole, in the order in which they came."""
        found = []
        for path in self.folder.glob(f"*/{ABOUT}"):
            try:
                found.append(Upload.model_validate_json(path.read_bytes()))
            except (OSError, ValidationError):
                continue
        yield from sorted(found, key=lambda upload: upload.added)

    def claim_waiting(self) -> list[Upload]:
        """The uploads that an earlier process left waiting. What did not come whole goes."""
        for place in self.folder.glob("*/"):
            if not (place / ABOUT).exists() and self._claim(place.name):
                self.remove([place.name])
        return [u for u in self.all() if u.state == "waiting" and self._claim(u.token)]

    def tokens(self, identity: str) -> list[str]:
        """The uploads of a document, in the order in which they came."""
        return [upload.token for upload in self.all() if upload.id == identity]

    def remove(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._unlock(token)
            shutil.rmtree(self.folder / token, ignore_errors=True)

    @property
    def changes(self) -> Changes:
        try:
            return Changes.model_validate_json((self.folder / WITHDRAWN).read_bytes())
        except (OSError, ValidationError):
            return Changes()

    def record(
        self, version: str, *, added: Iterable[str] = (), withdrawn: Iterable[str] = ()
    ) -> None:
        """Note which documents came and went, and the version of the index that holds the outcome."""
        gone = (self.changes.withdrawn - {*added}) | {*withdrawn}
        self.folder.mkdir(parents=True, exist_ok=True)
        changes = {"withdrawn": sorted(gone), "version": version}
        write_text(
            self.folder / WITHDRAWN, Changes.model_validate(changes).model_dump_json() + "\n"
        )

    def _lock(self, token: str) -> bool:
        stream = (self.folder / token / CONTENT).open("rb")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stream.close()
            return False
        self._locks[token] = stream
        return True

    def _claim(self, token: str) -> bool:
        try:
            return token in self._locks or self._lock(token)
        except OSError:
            return not (self.folder / token / CONTENT).exists()

    def _unlock(self, token: str) -> None:
        stream = self._locks.pop(token, None)
        if stream is not None:
            stream.close()
