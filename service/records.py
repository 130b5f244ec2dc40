"""The tables of the question log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Float, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class QuestionRecord(Base):
    """A question that was refused, or answered with little confidence; asked again, it counts."""

    __tablename__ = "questions"

    # SHA-256 of the folded question and the model: what makes two records the same.
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    question: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    model: Mapped[str] = mapped_column(String(200))
    index: Mapped[str | None] = mapped_column("index_name", String(200))
    route: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(40))
    abstention: Mapped[str | None] = mapped_column(String(40))
    confidence: Mapped[float | None] = mapped_column(Float)
    answer: Mapped[str] = mapped_column(Text)
    attempt: Mapped[str | None] = mapped_column(Text)  # what the model would have said
    evidence: Mapped[list[Any]] = mapped_column(JSON)
    times: Mapped[int] = mapped_column(Integer, default=1)
    first_asked: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_asked: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("questions_last_asked", "last_asked"),)


class FeedbackRecord(Base):
    """What somebody said of an answer."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    answer_id: Mapped[str] = mapped_column(String(64), index=True)
    rating: Mapped[str] = mapped_column(String(8))
    question: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    correct_answer: Mapped[str | None] = mapped_column(Text)
    comment: Mapped[str | None] = mapped_column(Text)
    caller: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
