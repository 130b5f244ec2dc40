from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.guard import ExposureError, check_exposure
from service.keys import KeyRing, KeysError, add_key, read_keys, revoke_key
from service.settings import Settings
from tests.service.serving import serving
from tests.service.world import CAPITAL, HAMLET, SmallLibrary, SmallModel, client_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_only_hashes_are_stored(path: Path) -> None:
    key = add_key(path, "app")
    assert key.split("_", 2)[2] not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert read_keys(path)[0].scopes == {"ask", "feedback"}
    ring = KeyRing(path)
    found = ring.find(key)
    assert found is not None
    assert found.name == "app"
    for wrong in (
        key[:-1] + ("A" if key[-1] != "A" else "B"),
        "zz_",
        "",
        key + "x",
        "zz_00000000_" + key[12:],
    ):
        assert ring.find(wrong) is None


def test_an_expired_key_is_no_key(path: Path) -> None:
    key = add_key(path, "old", expires=datetime.now(UTC) - timedelta(seconds=1))
    assert KeyRing(path).find(key) is None


def test_a_running_service_notices_a_revocation(path: Path) -> None:
    key = add_key(path, "app")
    ring = KeyRing(path)
    ring.CHECK_SECONDS = 0.0  # type: ignore[misc]
    assert ring.find(key) is not None
    revoke_key(path, "app")
    assert ring.find(key) is None
    other = add_key(path, "other")
    assert ring.find(other) is not None
    path.write_text("half an ed")
    assert ring.find(other) is not None  # the keys of before hold


def test_mistakes_with_keys_are_told(path: Path) -> None:
    with pytest.raises(KeysError, match="zhizhi keys add"):
        read_keys(path)
    add_key(path, "app")
    with pytest.raises(KeysError, match="has a key 'app' already"):
        add_key(path, "app")
    with pytest.raises(KeysError, match=r"no key 'b'\. It has: app"):
        revoke_key(path, "b")
    with pytest.raises(KeysError, match="rate"):
        add_key(path, "c", rate="often")
    path.write_text('{"keys": [{"id": 1}]}')
    with pytest.raises(KeysError, match=r"keys.0.id"):
        read_keys(path)


async def test_scopes_decide_what_a_key_may_do(path: Path) -> None:
    asks = add_key(path, "asks", frozenset({"ask"}))
    admin = add_key(path, "admin", frozenset({"admin"}))
    app = create_app(Settings(keys_file=path), SmallModel())
    question = {"question": CAPITAL}
    chat = {"model": "zhizhi", "messages": [{"role": "user", "content": CAPITAL}]}
    async with client_of(app) as client:
        bare = await client.post("/v1/qa", json=question)
        assert bare.status_code == 401
        assert bare.json()["type"] == "urn:zhizhi:problem:unauthorized"
        assert bare.headers["www-authenticate"].startswith("Bearer")
        for path_, body in (("/v1/qa", question), ("/v1/qa/stream", question),
                            ("/v1/qa/batch", {"requests": [question]}),
                            ("/v1/chat/completions", chat)):  # fmt: skip
            assert (await client.post(path_, json=body)).status_code == 401, path_
            assert (await client.post(path_, json=body, headers=bearer(asks))).status_code == 200
            assert (await client.post(path_, json=body, headers=bearer(admin))).status_code == 403
        said = {"answer_id": "a", "rating": "up"}
        assert (
            await client.post("/v1/feedback", json=said, headers=bearer(asks))
        ).status_code == 403
        for path_ in ("/metrics", "/v1/admin/status"):
            assert (await client.get(path_)).status_code == 401
            assert (await client.get(path_, headers=bearer(asks))).status_code == 403
            assert (await client.get(path_, headers=bearer(admin))).status_code == 200
        for path_ in ("/", "/healthz", "/readyz", "/v1/examples", "/v1/operating-points"):
            assert (await client.get(path_)).status_code == 200, path_
        failure = (await client.post("/v1/chat/completions", json=chat)).json()["error"]
        assert failure["type"] == "authentication_error"


async def test_a_key_has_its_own_rate(path: Path) -> None:
    slow = add_key(path, "slow", rate="2/hour")
    free = add_key(path, "free")
    app = create_app(Settings(keys_file=path), SmallModel())
    async with client_of(app) as client:
        statuses = [
            (await client.post("/v1/qa", json={"question": CAPITAL}, headers=bearer(slow)))
            for _ in range(3)
        ]
        assert [response.status_code for response in statuses] == [200, 200, 429]
        assert 3500 < int(statuses[2].headers["retry-after"]) <= 3600
        assert statuses[2].headers["content-type"] == "application/problem+json"
        response = await client.post("/v1/qa", json={"question": CAPITAL}, headers=bearer(free))
        assert response.status_code == 200


async def test_a_rate_for_everybody_counts_by_address() -> None:
    async with client_of(create_app(Settings(rate="1/hour"), SmallModel())) as client:
        statuses = [
            (await client.post("/v1/qa", json={"question": CAPITAL})).status_code for _ in range(2)
        ]
    assert statuses == [200, 429]


async def test_a_redis_that_is_gone_leaves_the_rate_to_the_process() -> None:
    settings = Settings(rate="1/hour", redis_url="redis://127.0.0.1:1/0")  # type: ignore[arg-type]
    async with client_of(create_app(settings, SmallModel())) as client:
        statuses = [
            (await client.post("/v1/qa", json={"question": CAPITAL})).status_code for _ in range(2)
        ]
    assert statuses == [200, 429]


async def test_a_place_is_held_until_the_answer_is_out(path: Path) -> None:
    key = add_key(path, "one", concurrency=1)
    model = SmallModel()
    model.hold.clear()
    async with client_of(create_app(Settings(keys_file=path), model)) as client:
        first = asyncio.create_task(
            client.post("/v1/qa/stream", json={"question": CAPITAL}, headers=bearer(key))
        )
        await asyncio.to_thread(model.started.acquire)
        second = await client.post("/v1/qa", json={"question": HAMLET}, headers=bearer(key))
        assert second.status_code == 429
        model.hold.set()
        assert (await first).status_code == 200
        third = await client.post("/v1/qa", json={"question": HAMLET}, headers=bearer(key))
        assert third.status_code == 200


async def test_without_keys_admin_is_for_the_machine_itself() -> None:
    async with client_of(create_app(Settings(), SmallModel())) as client:
        assert (await client.get("/v1/admin/status")).status_code == 200
        through_proxy = {"X-Forwarded-For": "203.0.113.9"}
        response = await client.get("/v1/admin/status", headers=through_proxy)
        assert response.status_code == 403
        assert isinstance(client._transport, httpx.ASGITransport)


def test_other_machines_are_not_served_without_keys(path: Path) -> None:
    check_exposure(Settings())
    with pytest.raises(ExposureError, match=r"ZHIZHI_KEYS_FILE.*ZHIZHI_ALLOW_ANONYMOUS"):
        check_exposure(Settings(host="0.0.0.0"))
    check_exposure(Settings(host="0.0.0.0", allow_anonymous=True))
    add_key(path, "a")
    check_exposure(Settings(host="0.0.0.0", keys_file=path))
    with serving(ZHIZHI_HOST="0.0.0.0") as (process, _):
        words = process.words()
        assert process.returncode == 2
        assert "no API keys are set up" in words


def test_a_wrong_key_costs_no_file(path: Path) -> None:
    add_key(path, "a")
    ring = KeyRing(path)
    started = time.perf_counter()
    for _ in range(2000):
        ring.find("zz_00000000_" + "A" * 43)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Forwarded-For": "203.0.113.9"}, "x-forwarded-for"),
        ({"X-Real-IP": "203.0.113.9"}, "x-real-ip"),
        ({"Via": "1.1 proxy"}, "via"),
        ({"Forwarded": "for=203.0.113.9"}, "forwarded"),
        ({"Origin": "https://evil.example"}, "another origin"),
        ({"Origin": "null"}, "another origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "another site"),
        ({"Host": "evil.example"}, "Host"),  # a name that was made to lead to this machine
        ({"Host": "127.0.0.1.evil.example"}, "Host"),
    ],
)
async def test_without_keys_a_browser_or_a_proxy_is_not_the_machine_itself(
    headers: dict[str, str], reason: str
) -> None:
    async with client_of(
        create_app(Settings(), SmallModel(), load=lambda: (SmallModel(), None))
    ) as client:
        response = await client.post("/v1/admin/reload", headers=headers)
        assert response.status_code == 403
        assert reason in response.json()["detail"]
        for own in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
            told = {"Host": own, "Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}
            assert (await client.get("/v1/admin/status", headers=told)).status_code == 200


async def test_every_question_of_a_batch_counts() -> None:
    async with client_of(create_app(Settings(rate="10/hour"), SmallModel())) as client:

        async def batch(n: int) -> httpx.Response:
            return await client.post("/v1/qa/batch", json={"requests": [{"question": CAPITAL}] * n})

        assert (await batch(8)).status_code == 200
        refused = await batch(4)
        assert refused.status_code == 429
        assert "each question counts" in refused.json()["detail"]
        assert (await client.post("/v1/qa", json={"question": CAPITAL})).status_code == 200
        assert (await client.post("/v1/qa", json={"question": CAPITAL})).status_code == 429


def test_adds_and_revokes_at_once_lose_nothing(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: add_key(path, f"app {n}"), range(24)))
        assert len(read_keys(path)) == 24
        list(pool.map(lambda n: revoke_key(path, f"app {n}"), range(12)))
    assert {key.name for key in read_keys(path)} == {f"app {n}" for n in range(12, 24)}


@pytest.mark.parametrize("trouble", ["gone", "broken"])
async def test_a_lost_key_file_is_told_and_its_keys_do_not_live_on(
    path: Path, trouble: str
) -> None:
    key = add_key(path, "app")
    now = 0.0
    ring = KeyRing(path, clock=lambda: now)
    assert ring.find(key) is not None
    assert ring.trouble() is None
    before = path.read_text()
    if trouble == "gone":
        path.unlink()
    else:
        path.write_text(before[:50])
    now = 2.0
    assert ring.find(key) is not None  # somebody may be editing it
    assert ring.trouble() == "the key file cannot be read"
    now = 20.0
    assert ring.find(key) is None
    path.write_text(before)
    now = 22.0
    assert ring.find(key) is not None
    assert ring.trouble() is None


async def test_readyz_says_that_the_key_file_is_lost(path: Path) -> None:
    key = add_key(path, "app")
    app = create_app(Settings(keys_file=path), SmallModel(), SmallLibrary())
    async with client_of(app) as client:
        assert (await client.get("/readyz")).status_code == 200
        path.unlink()
        await asyncio.sleep(KeyRing.CHECK_SECONDS + 0.1)
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert {c["name"] for c in response.json()["checks"] if not c["ok"]} == {"keys"}
        assert str(path) not in response.text
        assert (await client.get("/v1/models", headers=bearer(key))).status_code == 200
