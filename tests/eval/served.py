"""Four questions to the real application behind a real socket, whose model knows two of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from service.app import create_app
from service.settings import Settings
from tests.eval.scripted import question
from tests.service.world import CAPITAL, FATHER, HAMLET, PHONE, SmallLibrary, SmallModel

QUESTIONS = [
    question(1, "巴黎", text=CAPITAL),
    question(2, "岳飞", text=FATHER),
    question(3, "138", text=PHONE),
    question(4, "William Shakespeare", text=HAMLET, language="en"),
]


@contextmanager
def served() -> Iterator[str]:
    """The address of the running service."""
    config = uvicorn.Config(
        create_app(Settings(), SmallModel(), SmallLibrary()), port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
