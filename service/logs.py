"""Logs: one line an event on stderr, as text for people or JSON for machines, with the request's id."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from service.settings import Settings

if TYPE_CHECKING:
    from service.desk import Ticket
    from service.router import Outcome

request_id: ContextVar[str] = ContextVar("request_id", default="")

# What every LogRecord has; the rest was given as ``extra``.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identity := request_id.get():
            entry["request_id"] = identity
        entry.update({k: v for k, v in vars(record).items() if k not in STANDARD})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # ASCII, so that a lone surrogate in a client's header cannot break the stream.
        return json.dumps(entry, default=str)


def one_line(text: str) -> str:
    """``text`` with everything that ends a line, moves a cursor or turns the direction written out: what a
    client sent stays one line of the log, and a terminal that shows it obeys nobody."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class TextFormatter(logging.Formatter):
    """The same for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        kept = record.exc_info, record.exc_text, record.stack_info
        record.exc_info = record.exc_text = record.stack_info = None
        line = one_line(super().format(record))
        record.exc_info, record.exc_text, record.stack_info = kept
        extra = {k: v for k, v in vars(record).items() if k not in STANDARD}
        if identity := request_id.get():
            extra["request_id"] = identity
        line += one_line("".join(f" {k}={v}" for k, v in extra.items()))
        if record.exc_info:
            # Indented, so that no line of it looks like a record of its own.
            traceback = self.formatException(record.exc_info).splitlines()
            line += "".join(f"\n    {one_line(part)}" for part in traceback)
        return line


def configure_logging(settings: Settings) -> None:
    """Send everything to stderr in the chosen format; called once, by the server."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # Libraries that log every call of theirs.
    for name in ("httpx", "httpcore", "alembic", "watchfiles"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class AnswerLines:
    """A line an answer: its way, and, only where ``questions`` are asked for, what was asked."""

    def __init__(self, questions: bool) -> None:
        self._questions = questions
        self._logger = logging.getLogger("zhizhi.answers")

    def answered(self, _: Ticket, outcome: Outcome) -> None:
        answer = outcome.answer
        told = {
            "answer_id": answer.id,
            "reason": answer.reason,
            "abstention": answer.abstention,
            "confidence": answer.confidence and round(answer.confidence, 3),
            "cached": answer.cached or None,
            "question": answer.question if self._questions else None,
        }
        extra = {name: value for name, value in told.items() if value is not None}
        self._logger.info("%s", answer.route, extra=extra)
