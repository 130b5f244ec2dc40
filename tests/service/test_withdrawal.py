"""Withdrawn means gone: what the index no longer holds is no longer answered, cache or no cache."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from kg_builder.passage import Passage
from retrieval.chain import RetrievalChain
from retrieval.engines import PassageIndex, open_index
from retrieval.index import Index
from retrieval.milvus import MilvusIndex
from service.app import create_app
from service.retrieval_only import RetrievalOnly
from service.settings import Settings
from tests.commands import zhizhi_process
from tests.service.stores import free_port
from tests.service.world import client_of

FATHER = "沈云舟的父亲是谁?"
FLOWER = "海宁城的市花是什么?"
PASSAGES = [
    Passage(id="shen.md#0", title="沈云舟", text="沈云舟的父亲是沈怀远。"),
    Passage(id="linjiang.md#0", title="临江", text="临江位于东海道。"),
]
HAINING = Passage(id="haining.md#0", title="海宁城", text="海宁城的市花是茉莉。")


@contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """A Milvus Lite as a server of its own, which several processes may use."""
    port = free_port()
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder / "data")]
    process = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, "the Milvus server did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["files", "milvus"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> PassageIndex:
    if request.param == "files":
        return Index.build(PASSAGES, tmp_path / "index")
    return MilvusIndex.build(PASSAGES, tmp_path / "index", uri="passages.db")


@asynccontextmanager
async def service(index: PassageIndex) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(Settings(), RetrievalOnly(), RetrievalChain(index))) as client:
        yield client


async def ask(client: httpx.AsyncClient, question: str) -> dict[str, Any]:
    response = await client.post("/v1/qa", json={"question": question})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def delete_elsewhere(folder: Path, document: str) -> None:
    """`zhizhi index delete` as a process of its own."""
    shown = zhizhi_process("index", "delete", document, "--index", str(folder))
    assert shown.returncode == 0, shown.stderr


async def test_what_this_process_deletes_is_gone_at_once(index: PassageIndex) -> None:
    async with service(index) as client:
        first, again = await ask(client, FATHER), await ask(client, FATHER)
        assert (first["answer"], first["cached"], again["cached"]) == ("沈怀远", False, True)
        assert index.delete(["shen.md"]) == 1
        gone = await ask(client, FATHER)
        assert (gone["route"], gone["cached"]) == ("refused", False)
        assert "沈怀远" not in str(gone)
        assert gone["index"] == f"{index.folder.name}:{index.name}"
        assert (await ask(client, FATHER))["cached"]  # the refusal is an answer like others


@pytest.mark.parametrize("engine", ["files", "milvus"])
async def test_what_another_process_deletes_is_gone_at_once(engine: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        if engine == "milvus":
            uri = stack.enter_context(milvus_server(tmp_path))
            index: PassageIndex = MilvusIndex.build(PASSAGES, tmp_path / "index", uri=uri)
        else:
            index = Index.build(PASSAGES, tmp_path / "index")
        client = await stack.enter_async_context(service(index))
        assert (await ask(client, FATHER))["answer"] == "沈怀远"
        assert (await ask(client, FATHER))["cached"]
        delete_elsewhere(index.folder, "shen.md")
        gone = await ask(client, FATHER)
        assert (gone["route"], gone["cached"]) == ("refused", False)
        assert gone["index"] == f"{index.folder.name}:{index.name}"


async def test_a_cached_refusal_ends_when_a_document_arrives(index: PassageIndex) -> None:
    async with service(index) as client:
        assert (await ask(client, FLOWER))["route"] == "refused"
        assert (await ask(client, FLOWER))["cached"]
        index.add([HAINING])
        found = await ask(client, FLOWER)
        assert (found["route"], found["answer"]) == ("retrieval", "茉莉")
        assert found["index"] == f"{index.folder.name}:{index.name}"


async def test_the_last_document_can_be_withdrawn(index: PassageIndex) -> None:
    async with service(index) as client:
        assert index.delete(["shen.md", "linjiang.md"]) == 2
        assert (await ask(client, FATHER))["reason"] == "no_results"
        index.add([HAINING])
        assert (await ask(client, FLOWER))["answer"] == "茉莉"


def test_a_file_of_milvus_lite_that_is_open_elsewhere_says_so(tmp_path: Path) -> None:
    index = MilvusIndex.build(PASSAGES, tmp_path, uri="passages.db")
    shown = zhizhi_process("index", "delete", "shen.md", "--index", str(tmp_path))
    assert shown.returncode == 2
    assert "one process at a time may open a Milvus Lite file" in " ".join(shown.stderr.split())
    assert index.size == 2


async def test_an_index_that_was_made_anew_under_an_old_name_is_noticed(tmp_path: Path) -> None:
    """Who deletes the folder and builds again gets version 1 again."""
    folder = tmp_path / "index"
    index = Index.build(PASSAGES, folder)
    async with service(index) as client:
        assert (await ask(client, FATHER))["answer"] == "沈怀远"
        shutil.rmtree(folder)
        assert Index.build([HAINING], folder).name == "v000001"
        assert (await ask(client, FATHER))["route"] == "refused"
        assert (await ask(client, FLOWER))["answer"] == "茉莉"


def test_nothing_of_a_withdrawn_document_stays_on_the_disk(tmp_path: Path) -> None:
    index = Index.build(PASSAGES, tmp_path)
    held = open_index(tmp_path)
    index.delete(["shen.md"])
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in found if "沈怀远".encode() in path.read_bytes()]
    assert [p.id for p in held.passages()] == ["linjiang.md#0"]


def test_nothing_of_a_withdrawn_document_stays_on_the_server(tmp_path: Path) -> None:
    """The collection of the build before is kept for searches under way, not for what was withdrawn."""
    before = MilvusIndex.build(PASSAGES, tmp_path, uri="passages.db").collection
    index = MilvusIndex.build(PASSAGES, tmp_path, uri="passages.db")
    assert before.exists()
    for _ in range(2):
        index.delete(["shen.md"])
        assert not before.exists()
    MilvusIndex.build(PASSAGES, tmp_path, uri="passages.db")
