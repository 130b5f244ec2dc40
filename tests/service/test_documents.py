"""Documents over HTTP: in, found, cited, listed and gone, while the service answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from service.documents.uploads import UploadStore
from service.keys import add_key
from service.retrieval_only import RetrievalOnly
from service.settings import Settings
from tests.service.world import SmallLibrary, SmallModel, client_of

FATHER = "沈云舟的父亲是谁?"
FLOWER = "海宁城的市花是什么?"
HELD = [Passage(id="shen.md#0", title="沈云舟", text="沈云舟的父亲是沈怀远。")]
HAINING = "# 海宁城\n\n海宁城的市花是茉莉。".encode()


@asynccontextmanager
async def service(index: PassageIndex, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(**settings), RetrievalOnly(), RetrievalChain(index))
    async with client_of(app) as client:
        # What the guard takes for this machine.
        client._transport.client = ("127.0.0.1", 1)  # type: ignore[attr-defined]
        client.base_url = httpx.URL("http://127.0.0.1")
        yield client


@pytest.fixture(params=["files", "milvus"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> PassageIndex:
    if request.param == "files":
        return Index.build(HELD, tmp_path / "index")
    return MilvusIndex.build(HELD, tmp_path / "index", uri="passages.db")


async def upload(
    client: httpx.AsyncClient, *files: tuple[str, bytes], **options: Any
) -> httpx.Response:
    return await client.post("/v1/documents", files=[("files", file) for file in files], **options)


async def settled(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """The list by id, once nothing is under way."""
    while True:
        response = await client.get("/v1/documents")
        assert response.status_code == 200, response.text
        found = response.json()["documents"]
        if all(one["state"] in ("ready", "failed") for one in found):
            return {one["id"]: one for one in found}
        await asyncio.sleep(0.1)


async def ask(client: httpx.AsyncClient, question: str) -> dict[str, Any]:
    response = await client.post("/v1/qa", json={"question": question})
    body: dict[str, Any] = response.json()
    return body


async def test_a_document_comes_is_cited_and_goes(index: PassageIndex) -> None:
    async with service(index) as client:
        assert (await ask(client, FLOWER))["route"] == "refused"
        response = await upload(client, ("haining.md", HAINING), ("empty.txt", b" \n"))
        assert response.status_code == 202
        assert [one["state"] for one in response.json()["documents"]] == ["waiting", "waiting"]
        listed = await settled(client)
        assert [*listed] == ["empty.txt", "haining.md", "shen.md"]  # what failed is shown first
        assert listed["haining.md"] | {"added": ""} == {
            "id": "haining.md", "title": "海宁城", "state": "ready", "passages": 1, "progress": None,
            "left_out": [], "error": None, "bytes": len(HAINING), "added": "",
        }  # fmt: skip
        assert listed["empty.txt"]["state"] == "failed"
        assert "no text" in listed["empty.txt"]["error"]
        found = await ask(client, FLOWER)
        assert (found["answer"], found["cached"]) == ("茉莉", False)
        assert found["citations"][0]["passage_id"].startswith("haining.md#")
        assert (await ask(client, FLOWER))["cached"]

        changed = "# 海宁城\n\n海宁城的市花是玉兰。".encode()
        await upload(client, ("haining.md", changed))
        assert (await settled(client))["haining.md"]["passages"] == 1
        assert (await ask(client, FLOWER))["answer"] == "玉兰"

        gone = await client.delete("/v1/documents/haining.md")
        assert (gone.status_code, gone.json()) == (200, {"id": "haining.md", "passages": 1})
        refused = await ask(client, FLOWER)
        assert (refused["route"], refused["cached"]) == ("refused", False)
        assert (await client.get("/v1/documents/haining.md")).status_code == 404
        assert (await client.delete("/v1/documents/haining.md")).status_code == 404
        # What was there before uploads goes the same way.
        assert (await client.delete("/v1/documents/shen.md")).json()["passages"] == 1
        assert (await ask(client, FATHER))["route"] == "refused"
        await client.delete("/v1/documents/empty.txt")
        assert (await client.get("/v1/documents")).json()["total"] == 0
    left = [path for path in (index.folder / "uploads").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["withdrawn.json"]


async def test_what_is_not_taken_says_why_and_costs_itself(tmp_path: Path) -> None:
    index = Index.build(HELD, tmp_path / "index")
    limits = {"max_document_bytes": 1000, "max_documents": 2, "document_types": "md,txt"}
    async with service(index, **limits) as client:
        response = await upload(
            client,
            ("../../etc/notes.md", HAINING),
            ("big.md", b"x" * 1001),
            ("nothing.md", b""),
            ("program.exe", b"MZ"),
            ("handbook.pdf", b"%PDF-1.7"),
            (".hidden.md", HAINING),
            ("one-too-many.md", HAINING),
        )
        assert response.status_code == 202
        first, *others = response.json()["documents"]
        assert (first["id"], first["state"]) == ("etc/notes.md", "waiting")
        assert {one["state"] for one in others} == {"failed"}
        reasons = [one["error"] for one in others]
        for reason, words in zip(
            reasons, ["Cut it", "empty", ".exe", ".pdf", "hidden", "as many as it may"], strict=True
        ):
            assert words in reason
        listed = (await client.get("/v1/documents")).json()
        assert listed["limits"]["types"] == [".md", ".txt"]
        refused = await upload(client, ("program.exe", b"MZ"))
        assert refused.status_code == 422
        problem = refused.json()
        assert problem["type"] == "urn:zhizhi:problem:no-document"
        assert problem["errors"][0]["pointer"] == "#/files/0"
        nothing = await client.post("/v1/documents", data={"files": "text"})
        assert (nothing.status_code, nothing.json()["type"]) == (422, "urn:zhizhi:problem:no-file")
        await settled(client)


async def test_the_body_and_the_number_of_files_have_limits(tmp_path: Path) -> None:
    index = Index.build(HELD, tmp_path / "index")
    async with service(index, max_upload_bytes=300_000, max_upload_files=2) as client:
        response = await upload(client, ("big.md", b"x" * 400_000))
        assert (response.status_code, response.json()["type"]) == (
            413, "urn:zhizhi:problem:body-too-large",
        )  # fmt: skip
        assert "300000" in response.json()["detail"]
        # Larger than any other request may be.
        assert (await upload(client, ("big.txt", b"word " * 55_000))).status_code == 202
        many = await upload(client, *((f"{n}.md", HAINING) for n in range(3)))
        assert many.status_code == 400
        assert "files" in many.json()["detail"]
        await settled(client)


async def test_keys_need_the_scope(tmp_path: Path) -> None:
    index = Index.build(HELD, tmp_path / "index")
    keys = tmp_path / "keys.json"
    asker, keeper = (
        {"Authorization": f"Bearer {add_key(keys, name, frozenset({scope}))}"}
        for name, scope in (("asker", "ask"), ("keeper", "documents"))
    )
    async with service(index, keys_file=keys) as client:
        for send in (
            lambda **more: upload(client, ("a.md", HAINING), **more),
            lambda **more: client.get("/v1/documents", **more),
            lambda **more: client.delete("/v1/documents/shen.md", **more),
        ):
            assert (await send()).status_code == 401
            assert (await send(headers=asker)).status_code == 403
            assert (await send(headers=keeper)).status_code < 300


async def test_without_keys_only_this_machine_may_change_documents(tmp_path: Path) -> None:
    index = Index.build(HELD, tmp_path / "index")
    async with service(index) as client:
        client._transport.client = ("10.0.0.7", 1)  # type: ignore[attr-defined]
        assert (await upload(client, ("a.md", HAINING))).status_code == 403
        assert (await client.delete("/v1/documents/shen.md")).status_code == 403
        assert (await ask(client, FATHER))["answer"] == "沈怀远"


async def test_where_there_is_no_index_nothing_can_be_added() -> None:
    for app in (
        create_app(Settings(), SmallModel()),
        create_app(Settings(), SmallModel(), SmallLibrary()),
    ):
        async with client_of(app) as client:
            for response in (
                await upload(client, ("a.md", HAINING)),
                await client.get("/v1/documents"),
            ):
                assert response.status_code in (403, 501)
            client._transport.client = ("127.0.0.1", 1)  # type: ignore[attr-defined]
            client.base_url = httpx.URL("http://127.0.0.1")
            response = await client.get("/v1/documents")
            assert (response.status_code, response.json()["type"]) == (
                501, "urn:zhizhi:problem:no-index",
            )  # fmt: skip


async def test_what_waited_when_the_service_stopped_is_taken_in_later(tmp_path: Path) -> None:
    index = Index.build(HELD, tmp_path / "index")
    source = tmp_path / "haining.md"
    source.write_bytes(HAINING)
    earlier = UploadStore(index.folder)
    with source.open("rb") as stream:
        kept = earlier.put("haining.md", stream)
    assert UploadStore(index.folder).claim_waiting() == []  # the other process is at it
    del earlier  # and now it has ended
    (index.folder / "uploads" / "half").mkdir()
    (index.folder / "uploads" / "half" / "content").write_bytes(b"did not come whole")
    async with service(index) as client:
        assert (await settled(client))["haining.md"]["state"] == "ready"
        assert (await ask(client, FLOWER))["answer"] == "茉莉"
    assert not (index.folder / "uploads" / "half").exists()
    assert UploadStore(index.folder).content(kept).read_bytes() == HAINING


async def test_a_change_elsewhere_is_waited_for(tmp_path: Path) -> None:
    from retrieval.versions import exclusive

    index = Index.build(HELD, tmp_path / "index")
    async with service(index) as client:
        with exclusive(index.folder):
            await upload(client, ("haining.md", HAINING))
            deletion = asyncio.create_task(client.delete("/v1/documents/shen.md"))
            await asyncio.sleep(0.5)
            assert not deletion.done()
            assert (await ask(client, FATHER))["answer"] == "沈怀远"  # questions go on
        assert (await deletion).status_code == 200
        assert [*await settled(client)] == ["haining.md"]
    assert [passage.title for passage in open_index(index.folder).passages()] == ["海宁城"]


async def test_the_document_of_the_api_tells_how_to_upload(tmp_path: Path) -> None:
    index = Index.build(HELD, tmp_path / "index")
    async with service(index) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    body = paths["/v1/documents"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert body["schema"]["properties"]["files"]["items"]["format"] == "binary"
    assert "delete" in paths["/v1/documents/{document}"]
    assert json.dumps(paths)
