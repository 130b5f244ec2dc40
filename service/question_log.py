"""QuestionLog: what was refused or answered with little confidence, for the next round of training.

Records go through a queue to one writing thread, so that a slow or absent database never holds up an
answer: what cannot be written waits, up to MOST records, and is written when the database is back.
Feedback is acknowledged to the one who gives it, and so is written at once or refused.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, delete, insert, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from kg_builder.errors import UserError
from service.records import FeedbackRecord, QuestionRecord

if TYPE_CHECKING:
    from service.desk import Ticket
    from service.router import Outcome

logger = logging.getLogger(__name__)

MOST = 10_000  # records that wait for the database
RECENT = 10_000  # answers whose question is remembered for feedback on them
CHUNK = 200  # records in one transaction
PURGE_SECONDS = 3600.0
RETRY_SECONDS = (0.5, 1, 2, 5, 10, 30)

STOP = object()


class LogError(UserError):
    """The question log cannot be opened."""


def open_engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL; the folder of an SQLite file is made."""
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name not in ("sqlite", "postgresql"):
            raise LogError(f"The question log can be kept in sqlite or postgresql, not {name}.")
        if name == "sqlite":
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            return create_engine(parsed, connect_args={"timeout": 10})
        return create_engine(
            parsed,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5, "options": "-c statement_timeout=10000"},
        )
    except (ArgumentError, ModuleNotFoundError) as error:
        raise LogError(f"The question log's URL cannot be used: {error}") from None


def upgrade(engine: Engine) -> None:
    """Bring the tables to the newest revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise LogError(f"The question log {where} cannot be opened: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def fold(question: str) -> str:
    """A question as its repetitions are recognised: width, case, spaces and end marks do not count."""
    text = unicodedata.normalize("NFKC", question).casefold()
    return "".join(text.split()).rstrip("?.!。、,")


def fingerprint(question: str, model: str) -> str:
    return hashlib.sha256(f"{model}\0{fold(question)}".encode()).hexdigest()


class QuestionLog:
    """``margin`` is how near the threshold a direct answer's confidence must be to be kept."""

    def __init__(self, engine: Engine, *, days: int = 180, margin: float = 0.1) -> None:
        self._engine = engine
        self._days = days
        self._margin = margin
        self._queue: queue.Queue[Any] = queue.Queue(MOST)
        self._recent: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._purged = 0.0
        self.dropped = 0
        self.failing: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="question-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def answered(self, ticket: Ticket, outcome: Outcome) -> None:
        """Keep what is worth learning from. Does not block."""
        if ticket.asked.store is False:
            return
        answer = outcome.answer
        self._recent[answer.id] = (answer.question, answer.answer)
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        if not self._worth(outcome):
            return
        attempt = outcome.attempt
        now = datetime.now(UTC)
        record = {
            "fingerprint": fingerprint(answer.question, answer.model),
            "question": answer.question,
            "language": answer.language,
            "model": answer.model,
            "index_name": answer.index,
            "route": answer.route,
            "reason": answer.reason,
            "abstention": answer.abstention,
            "confidence": attempt.confidence if attempt else None,
            "answer": answer.answer,
            "attempt": attempt.text if attempt else None,
            "evidence": [evidence.passage.id for evidence in answer.evidence],
            "times": 1,
            "first_asked": now,
            "last_asked": now,
        }
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def _worth(self, outcome: Outcome) -> bool:
        answer = outcome.answer
        if outcome.attempt is None:
            # Without a model: what was looked for and not found in the documents.
            without = ("no_model", "time_dependent")
            looked_up = answer.abstention in without and outcome.reading is not None
            return looked_up and answer.route == "refused"
        if answer.route != "direct":
            return True
        limit = (answer.threshold or 0.0) + self._margin
        return answer.confidence is not None and answer.confidence < limit

    def feedback(
        self,
        answer_id: str,
        rating: str,
        *,
        caller: str,
        question: str | None = None,
        correct_answer: str | None = None,
        comment: str | None = None,
    ) -> None:
        """Write feedback now; when this returns it is on disk. Raises SQLAlchemyError."""
        known_question, known_answer = self._recent.get(answer_id, (question, None))
        with self._engine.begin() as connection:
            connection.execute(
                insert(FeedbackRecord).values(
                    answer_id=answer_id,
                    rating=rating,
                    question=known_question,
                    answer=known_answer,
                    correct_answer=correct_answer,
                    comment=comment,
                    caller=caller,
                    created=datetime.now(UTC),
                )
            )

    def close(self, timeout: float = 5.0) -> bool:
        """Write what waits; False where some of it could not be written in time."""
        self._stop.set()
        try:
            self._queue.put(STOP, timeout=timeout)
        except queue.Full:
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive() and self.failing is None

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything so far is written."""
        until = time.monotonic() + timeout
        while self._queue.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)
        return not self._queue.unfinished_tasks

    def _work(self) -> None:
        stopping = False
        while not stopping:
            records = [self._queue.get()]
            while len(records) < CHUNK and not self._queue.empty():
                records.append(self._queue.get_nowait())
            stopping = STOP in records
            self._write([record for record in records if record is not STOP])
            for _ in records:
                self._queue.task_done()

    def _write(self, records: list[dict[str, Any]]) -> None:
        """Try until it is written, or until the service stops."""
        tries = 0
        while records:
            try:
                with self._engine.begin() as connection:
                    for record in records:
                        connection.execute(_upsert(self._engine.dialect.name, record))
                self._purge()
            except SQLAlchemyError as error:
                if self.failing is None:
                    logger.error("the question log cannot be written: %s", _first_line(error))
                self.failing = _first_line(error)
                pause = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
                tries += 1
                if self._stop.wait(pause) and tries > 1:
                    self.dropped += len(records)
                    return
            else:
                if self.failing is not None:
                    logger.info("the question log can be written again")
                self.failing = None
                return

    def _purge(self) -> None:
        if time.monotonic() - self._purged < PURGE_SECONDS and self._purged:
            return
        purge(self._engine, self._days)
        self._purged = time.monotonic()


def _upsert(dialect: str, record: dict[str, Any]) -> Any:
    make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    table = QuestionRecord.__table__
    statement = make(table).values(record)
    # The newest outcome counts; how often and since when it was asked adds up.
    update = {k: statement.excluded[k] for k in record if k not in ("times", "first_asked")}
    update["times"] = table.c.times + statement.excluded.times
    return statement.on_conflict_do_update(index_elements=["fingerprint"], set_=update)


def purge(engine: Engine, days: int) -> int:
    """Delete what is older than ``days``; return how many questions."""
    before = datetime.now(UTC) - timedelta(days=days)
    with engine.begin() as connection:
        connection.execute(delete(FeedbackRecord).where(FeedbackRecord.created < before))
        done = connection.execute(delete(QuestionRecord).where(QuestionRecord.last_asked < before))
        return int(done.rowcount)


def export(engine: Engine) -> Iterator[dict[str, Any]]:
    """The log as JSON-able objects, those asked most first.

    One object a question: its text and language, how often it was asked, what became of it, and what
    people said of it. ``correct_answers`` are answers that somebody gave as the right ones: candidates
    for gold, to be judged before they are taught.
    """
    with Session(engine) as session:
        said: dict[str, list[FeedbackRecord]] = {}
        for row in session.scalars(select(FeedbackRecord).order_by(FeedbackRecord.id)):
            said.setdefault(fold(row.question or ""), []).append(row)
        exported: set[str] = set()
        query = select(QuestionRecord).order_by(
            QuestionRecord.times.desc(), QuestionRecord.fingerprint
        )
        for record in session.scalars(query):
            folded = fold(record.question)
            exported.add(folded)
            yield {
                "text": record.question,
                "language": record.language,
                "times": record.times,
                "route": record.route,
                "reason": record.reason,
                "abstention": record.abstention,
                "confidence": record.confidence,
                "attempt": record.attempt,
                "answer": record.answer,
                "evidence": record.evidence,
                "model": record.model,
                "first_asked": record.first_asked.isoformat(),
                "last_asked": record.last_asked.isoformat(),
                **_said(said.get(folded, [])),
            }
        from service.language_pack import language_of

        for folded, rows in said.items():
            text = rows[-1].question
            if folded and folded not in exported and text is not None:
                # Answered with confidence, and yet somebody had something to say.
                yield {
                    "text": text,
                    "language": language_of(text),
                    "times": len(rows),
                    "route": "direct",
                    "answer": rows[-1].answer,
                    **_said(rows),
                }


def _said(rows: list[FeedbackRecord]) -> dict[str, Any]:
    return {
        "ratings": {rating: sum(r.rating == rating for r in rows) for rating in ("up", "down")},
        "correct_answers": sorted({r.correct_answer for r in rows if r.correct_answer}),
        "comments": [r.comment for r in rows if r.comment],
    }
