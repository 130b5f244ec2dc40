"""The small world of world.py, behind the real application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.stores import Postgres
from tests.service.world import EXAMPLES, SmallLibrary, SmallModel, client_of


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def model() -> SmallModel:
    return SmallModel()


@pytest.fixture
def library() -> SmallLibrary:
    return SmallLibrary()


@pytest.fixture
async def client(
    settings: Settings, model: SmallModel, library: SmallLibrary
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings, model, library, examples=EXAMPLES)) as client:
        yield client


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()
