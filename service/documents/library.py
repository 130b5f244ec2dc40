"""DocumentLibrary: the documents of the served index, and the thread that takes them in and deletes them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import IO, NamedTuple

from kg_builder.errors import UserError
from service.documents.status import DocumentStatus
from service.documents.uploads import Upload, UploadStore
from service.documents.worker import DocumentWorker, WorkerError, patiently
from service.seams import DocumentIndex, IndexedDocument

logger = logging.getLogger(__name__)

AT_ONCE = 64  # files that come into the index with one change of it
STOPPING_SECONDS = 5.0


class _Withdrawal(NamedTuple):
    id: str
    tokens: list[str]  # its uploads up to now: one that comes later is another document
    done: Future[int]


class DocumentLibrary:
    """Documents of one index. ``index`` gives the one in service, None where there is none; ``seconds`` is
    how long reading one file may take, ``worker`` what reads it. Safe to share between threads; every method
    may touch the disk."""

    def __init__(
        self,
        index: Callable[[], DocumentIndex | None],
        *,
        seconds: float,
        worker: DocumentWorker | None = None,
    ) -> None:
        self._index = index
        self._seconds = seconds
        self._worker = worker or DocumentWorker()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._store: UploadStore | None = None
        self._waiting: list[Upload] = []
        self._withdrawals: list[_Withdrawal] = []
        self._now: dict[str, DocumentStatus] = {}  # by token: what is being read or indexed
        self._listed: tuple[str, dict[str, IndexedDocument]] = ("", {})
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def index(self) -> DocumentIndex | None:
        return self._index()

    @property
    def waiting(self) -> int:
        """Files that are not in the index yet."""
        with self._lock:
            return len(self._waiting) + len(self._now)

    def start(self) -> None:
        """Take in what an earlier process left waiting."""
        index = self.index
        if index is not None and (index.folder / "uploads").is_dir():
            with self._lock:
                self._waiting += self._uploads(index).claim_waiting()
                if self._waiting:
                    self._wake()

    def close(self) -> None:
        """Stop; what was not taken in waits for the next start."""
        with self._changed:
            self._closing = True
            for withdrawal in self._withdrawals:
                withdrawal.done.cancel()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(STOPPING_SECONDS)
        self._worker.kill()

    # ── for callers ──────────────────────────────────────────────────────────────────────────────

    def submit(self, files: Sequence[tuple[str, IO[bytes]]]) -> list[DocumentStatus]:
        """Keep files (id, content) and have them taken in; once this returns they are on disk."""
        index = self._required()
        with self._lock:
            store = self._uploads(index)
        kept = [store.put(identity, content) for identity, content in files]
        with self._changed:
            self._waiting += kept
            self._wake()
        return [_status_of(upload) for upload in kept]

    def withdraw(self, identity: str) -> Future[int] | None:
        """Delete a document; the future gives how many passages went once no answer can be read from it.
        None where there is no such document."""
        index = self._required()
        with self._changed:
            store = self._uploads(index)
            tokens = store.tokens(identity)
            if not tokens and identity not in self._indexed(index):
                return None
            self._waiting = [upload for upload in self._waiting if upload.token not in tokens]
            withdrawal = _Withdrawal(identity, tokens, Future())
            self._withdrawals.append(withdrawal)
            self._wake()
            return withdrawal.done

    def documents(self) -> list[DocumentStatus]:
        """Every document: what is under way or failed first, the newest before, then by id."""
        index = self._required()
        with self._lock:
            indexed = dict(self._indexed(index))
            uploads = {upload.id: upload for upload in self._uploads(index).all()}
            under_way = {status.id: status for status in self._now.values()}
        listed = [
            _merged(upload, under_way.get(upload.id), indexed.pop(upload.id, None))
            for upload in sorted(uploads.values(), key=lambda upload: upload.added, reverse=True)
            # One that is done and not there was deleted by other means.
            if upload.state != "ready" or upload.id in indexed
        ]
        others = [
            DocumentStatus(id=one.id, title=one.title, state="ready", passages=one.passages)
            for one in indexed.values()
        ]
        # A stable sort: those that are done, by id, behind those that somebody waits for.
        return [s for s in listed if s.state != "ready"] + sorted(
            [s for s in listed if s.state == "ready"] + others, key=lambda status: status.id
        )

    def _required(self) -> DocumentIndex:
        index = self.index
        if index is None:
            raise UserError("There is no index that documents could be put into.")
        return index

    def _uploads(self, index: DocumentIndex) -> UploadStore:
        if self._store is None or self._store.folder.parent != index.folder:
            self._store = UploadStore(index.folder)
        return self._store

    def _indexed(self, index: DocumentIndex) -> dict[str, IndexedDocument]:
        revision = index.revision
        if self._listed[0] != revision:
            self._listed = (revision, {one.id: one for one in index.documents()})
        return self._listed[1]

    # ── the thread ───────────────────────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        """Have the thread look at what is to be done; started when there is something for the first time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="documents", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or bool(self._withdrawals) or bool(self._waiting)
                )
                if self._closing:
                    return
                # What is to go goes before anything comes.
                withdrawals, self._withdrawals = self._withdrawals, []
                uploads = [] if withdrawals else self._next_uploads()
            try:
                index = self._required()
                if withdrawals:
                    self._delete(index, withdrawals)
                else:
                    self._take_in(index, uploads)
            except Exception as error:  # the thread serves on
                logger.exception("documents could not be changed")
                self._give_up(withdrawals, uploads, error)

    def _next_uploads(self) -> list[Upload]:
        """The next files; of several with one id only the last."""
        chosen = {upload.id: upload for upload in self._waiting[:AT_ONCE]}
        self._waiting = self._waiting[AT_ONCE:]
        self._now = {u.token: _status_of(u) for u in chosen.values()}
        return list(chosen.values())

    def _delete(self, index: DocumentIndex, withdrawals: list[_Withdrawal]) -> None:
        ids = [withdrawal.id for withdrawal in withdrawals]
        indexed = self._indexed(index)
        counts = {one: indexed[one].passages for one in ids if one in indexed}
        if counts and index.shared:
            self._worker.delete(index.folder, list(counts))
        elif counts:
            patiently(lambda: index.delete(counts))
        with self._lock:
            store = self._uploads(index)
            for withdrawal in withdrawals:
                store.remove(withdrawal.tokens)
            store.record(index.name, withdrawn=ids)
            self._indexed(index)  # the new version is open before anybody is told
        for identity, _, done in withdrawals:
            if done.set_running_or_notify_cancel():
                done.set_result(counts.get(identity, 0))

    def _take_in(self, index: DocumentIndex, uploads: list[Upload]) -> None:
        read: list[Upload] = []
        for number, upload in enumerate(uploads):
            if self._closing:
                return
            self._show(upload, "reading")
            path = self._uploads(index).content(upload)
            try:
                count, left_out = self._worker.read(path, upload.id, self._seconds)
            except WorkerError as error:
                # With the process goes what it had read: the others once more, without this one.
                self._worker.kill()
                self._fail(index, [upload], str(error))
                with self._lock:
                    gone = {token for one in self._withdrawals for token in one.tokens}
                    again = [u for u in (*read, *uploads[number + 1 :]) if u.token not in gone]
                    self._waiting = [*again, *self._waiting]
                    self._now = {}
                return
            upload = upload.model_copy(update={"left_out": left_out})
            if count:
                read.append(upload)
                self._show(upload, "indexing", 0.0)
            else:
                reasons = [
                    f"{one.part}: {one.reason}" if one.part else one.reason for one in left_out
                ]
                upload = upload.model_copy(update={"left_out": ()})
                self._fail(index, [upload], " ".join(reasons[:3]) or "no text in it.")
        if read:
            self._put(index, read)

    def _put(self, index: DocumentIndex, read: list[Upload]) -> None:
        stages: dict[str, float] = {}

        def progress(stage: str, done: int, total: int) -> None:
            # How many stages there will be is the engine's affair: what is shown nears the end.
            stages[stage] = done / max(1, total)
            share = sum(stages.values()) / (len(stages) + 1)
            for upload in read:
                self._show(upload, "indexing", min(0.99, share))

        ids = [upload.id for upload in read]
        try:
            if index.shared:
                self._worker.add(index.folder, ids, progress)
            else:
                passages = self._worker.take()
                patiently(lambda: index.add(passages, replacing=ids, progress=progress))
        except (WorkerError, UserError) as error:
            self._fail(index, read, str(error))
            return
        self._finish(index, read)

    def _finish(self, index: DocumentIndex, uploads: list[Upload]) -> None:
        with self._lock:
            store = self._uploads(index)
            store.record(index.name, added=[upload.id for upload in uploads])
            tokens_of: dict[str, list[str]] = {}  # read once: the store may hold thousands
            for held in store.all():
                tokens_of.setdefault(held.id, []).append(held.token)
            for upload in uploads:
                # One that another process withdrew while this one put it in has to go again.
                if not store.holds(upload):
                    self._withdrawals.append(_Withdrawal(upload.id, [], Future()))
                tokens = tokens_of.get(upload.id, [])
                older = tokens[: tokens.index(upload.token)] if upload.token in tokens else []
                store.save(upload.model_copy(update={"state": "ready"}))
                store.remove(older)
                self._now.pop(upload.token, None)
            self._indexed(index)

    def _fail(self, index: DocumentIndex, uploads: list[Upload], reason: str) -> None:
        """Note why files could not be taken in; where it is that the service stops, they wait on."""
        with self._lock:
            for upload in uploads:
                update = {"state": "failed", "error": reason}
                if not self._closing:
                    self._uploads(index).save(upload.model_copy(update=update))
                self._now.pop(upload.token, None)

    def _show(self, upload: Upload, state: str, progress: float | None = None) -> None:
        shown = _status_of(upload).model_copy(update={"state": state, "progress": progress})
        with self._lock:
            self._now[upload.token] = shown

    def _give_up(
        self, withdrawals: list[_Withdrawal], uploads: list[Upload], error: Exception
    ) -> None:
        with self._lock:
            self._now = {}
        for withdrawal in withdrawals:
            if withdrawal.done.set_running_or_notify_cancel():
                withdrawal.done.set_exception(error)
        index = self.index
        if uploads and index is not None:
            self._fail(index, uploads, str(error) or type(error).__name__)


def _status_of(upload: Upload) -> DocumentStatus:
    return DocumentStatus(
        id=upload.id,
        state=upload.state,
        left_out=upload.left_out,
        error=upload.error,
        bytes=upload.bytes,
        added=upload.added,
    )


def _merged(
    upload: Upload, under_way: DocumentStatus | None, indexed: IndexedDocument | None
) -> DocumentStatus:
    """What an upload and the index say of one document. One that failed leaves what was there before."""
    status = under_way or _status_of(upload)
    if indexed is None:
        return status
    update: dict[str, object] = {"title": indexed.title, "passages": indexed.passages}
    if status.state == "failed":
        update["state"] = "ready"
    return status.model_copy(update=update)
