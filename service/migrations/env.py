"""Alembic's environment: the connection is passed in by service.question_log.upgrade()."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from service.records import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # Replicas that start together migrate one after the other.
        connection.execute(text("SELECT pg_advisory_xact_lock(20070551)"))
    context.run_migrations()
