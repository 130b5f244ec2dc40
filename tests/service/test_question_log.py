from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, inspect, text

from service.app import create_app
from service.question_log import (
    LogError,
    QuestionLog,
    export,
    fingerprint,
    fold,
    open_engine,
    purge,
    upgrade,
)
from service.records import Base
from service.settings import Settings
from tests.service.stores import Postgres
from tests.service.world import CAPITAL, FATHER, GUESS, PHONE, SmallLibrary, SmallModel, client_of


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/log/questions.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    yield server.url
    engine = open_engine(server.url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    upgrade(engine)
    yield engine
    engine.dispose()


async def ask(client: httpx.AsyncClient, question: str, **options: object) -> dict[str, Any]:
    response = await client.post("/v1/qa", json={"question": question, **options})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def log_of(client: httpx.AsyncClient) -> QuestionLog:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    observers = transport.app.state.desk.observers  # type: ignore[attr-defined]
    return next(o for o in observers if isinstance(o, QuestionLog))


async def test_what_was_not_known_is_kept_once(url: str, engine: Engine) -> None:
    settings = Settings(log_url=url, cache_size=0)  # type: ignore[arg-type]
    async with client_of(create_app(settings, SmallModel(), SmallLibrary())) as client:
        await ask(client, CAPITAL)  # known well: not kept
        for question in (FATHER, FATHER.replace("?", "？"), " " + FATHER):
            await ask(client, question)
        await ask(client, PHONE)
        await ask(client, GUESS, store=False)  # the asker does not want it
        await ask(client, GUESS, min_precision=0.8)  # direct, but near the threshold
        assert log_of(client).flush()
        rows = list(export(engine))
    assert next((r["text"].strip(), r["times"], r["route"]) for r in rows) == (
        FATHER,
        3,
        "retrieval",
    )
    assert {r["text"]: r["route"] for r in rows[1:]} == {PHONE: "refused", GUESS: "direct"}
    assert rows[0]["abstention"] == "model_refused"
    assert rows[0]["attempt"] == "岳云的父亲是岳雷。"
    assert rows[0]["evidence"] == ["岳云#0"]


async def test_feedback_is_exported_with_its_question(url: str, engine: Engine) -> None:
    settings = Settings(log_url=url)  # type: ignore[arg-type]
    async with client_of(create_app(settings, SmallModel(), SmallLibrary())) as client:
        asked = await ask(client, CAPITAL)
        said = {"answer_id": asked["id"], "rating": "down", "correct_answer": "巴黎\x00"}
        response = await client.post("/v1/feedback", json=said)
        assert (response.status_code, response.json()) == (201, {"stored": True})
        refused = await ask(client, PHONE)
        await client.post("/v1/feedback", json={"answer_id": refused["id"], "rating": "up"})
        old = {"answer_id": "gone", "rating": "up", "question": "天有多高?", "comment": "好"}
        await client.post("/v1/feedback", json=old)
        assert log_of(client).flush()
    rows = {row["text"]: row for row in export(engine)}
    assert rows[CAPITAL]["correct_answers"] == ["巴黎"]
    assert rows[CAPITAL]["ratings"] == {"up": 0, "down": 1}
    assert rows[CAPITAL]["answer"] == "法国的首都是巴黎。"
    assert rows[PHONE]["ratings"] == {"up": 1, "down": 0}
    assert rows["天有多高?"]["comments"] == ["好"]


async def test_old_questions_are_deleted(url: str, engine: Engine) -> None:
    settings = Settings(log_url=url)  # type: ignore[arg-type]
    async with client_of(create_app(settings, SmallModel())) as client:
        await ask(client, FATHER)
        await ask(client, PHONE)
        assert log_of(client).flush()
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE questions SET last_asked = :then WHERE question = :question"),
            {"then": datetime.now(UTC) - timedelta(days=200), "question": PHONE},
        )
    assert purge(engine, 180) == 1
    assert [row["text"] for row in export(engine)] == [FATHER]


def test_the_migrations_make_what_the_code_expects(engine: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    upgrade(engine)  # a second time changes nothing
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert "alembic_version" in inspect(engine).get_table_names()


@pytest.mark.slow
async def test_a_database_that_stops_costs_no_answer_and_no_record(postgres: Postgres) -> None:
    settings = Settings(log_url=postgres.url, cache_size=0)  # type: ignore[arg-type]
    async with client_of(create_app(settings, SmallModel(), SmallLibrary())) as client:
        log = log_of(client)
        await ask(client, FATHER)
        assert log.flush()
        postgres.stop()
        for _ in range(3):
            assert (await ask(client, FATHER))["route"] == "retrieval"
        until = time.monotonic() + 20
        while log.failing is None and time.monotonic() < until:
            time.sleep(0.05)
        checks = (await client.get("/readyz")).json()
        assert checks["ready"] is True
        assert not next(c for c in checks["checks"] if c["name"] == "log")["ok"]
        said = {"answer_id": "a", "rating": "up"}
        response = await client.post("/v1/feedback", json=said)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "30"
        postgres.start()
        assert log.flush(40)
        assert (await client.post("/v1/feedback", json=said)).status_code == 201
    engine = open_engine(postgres.url)
    assert next(iter(export(engine)))["times"] == 4
    engine.dispose()


def test_a_full_disk_costs_the_record_and_is_counted(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/log.db")
    upgrade(engine)
    with engine.begin() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()

    # SQLite's own limit behaves as a full disk does: "database or disk is full".
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def limit(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    engine.dispose()
    log = QuestionLog(engine)
    for n in range(300):
        log._queue.put(record(f"{n}" * 200))
    until = time.monotonic() + 10
    while log.failing is None and time.monotonic() < until:
        time.sleep(0.01)
    assert log.failing is not None
    assert "full" in log.failing
    assert not log.close(3)
    assert log.dropped > 0


def record(question: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "fingerprint": fingerprint(question, "m"), "question": question, "language": "zh",
        "model": "m", "index_name": None, "route": "refused", "reason": "no_results",
        "abstention": "model_refused", "confidence": 0.1, "answer": "我不知道", "attempt": "x",
        "evidence": [], "times": 1, "first_asked": now, "last_asked": now,
    }  # fmt: skip


def test_a_log_that_cannot_be_opened_says_why() -> None:
    with pytest.raises(LogError, match="sqlite or postgresql, not mysql"):
        open_engine("mysql://a/b")
    with pytest.raises(LogError, match="cannot be used"):
        open_engine("nonsense")
    engine = open_engine("postgresql+psycopg://user:hunter2@127.0.0.1:1/db")
    with pytest.raises(LogError) as error:
        upgrade(engine)
    assert "hunter2" not in str(error.value)


def test_the_same_question_is_recognised() -> None:
    assert fold("Who wrote Hamlet ?") == fold("who wrote hamlet")
    assert fold("法国的首都是？") == fold("法国的首都是")
    assert fingerprint("a", "m1") != fingerprint("a", "m2")
