"""zhizhi keys and zhizhi log, and a model that runs elsewhere."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kg_builder.errors import UserError
from kg_builder.question import Question
from service.app import create_app
from service.keys import KeyRing
from service.settings import Settings
from tests.service.world import CAPITAL, FATHER, PHONE, SmallLibrary, SmallModel, client_of
from tests.training.bundles import SPEC
from training.bundle import Bundle
from zhizhi.cli import app
from zhizhi.serving import remote_model


def zhizhi(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_key_is_made_shown_and_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made = zhizhi(
        "keys", "add", "team", "--file", str(file), "--rate", "9/minute", "--scope", "ask"
    )
    key = made.stdout.strip().splitlines()[-1]
    found = KeyRing(file).find(key)
    assert found is not None
    assert (found.name, found.rate, set(found.scopes)) == ("team", "9/minute", {"ask"})
    (shown,) = json.loads(zhizhi("keys", "list", "--file", str(file), "--json").stdout)
    assert shown["name"] == "team"
    assert "hash" not in shown
    zhizhi("keys", "revoke", "team", "--file", str(file))
    assert KeyRing(file).find(key) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "list"), "ZHIZHI_KEYS_FILE"),
        (("log", "export"), "ZHIZHI_LOG_URL"),
        (("log", "export", "--url", "mysql://x/y"), "sqlite or postgresql, not mysql"),
        (("keys", "add", "a", "--file", "FILE", "--rate", "sixty"), "'sixty'.*60/minute"),
        (("keys", "revoke", "a", "--file", "FILE"), "Make a key"),
    ],
)
def test_mistakes_are_told_with_the_remedy(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    given = [str(tmp_path / "keys.json") if a == "FILE" else a for a in arguments]
    with pytest.raises(UserError, match=words):
        zhizhi(*given)


async def test_the_log_is_exported_for_the_next_round(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/questions.db"
    settings = Settings(log_url=url, cache_size=0)  # type: ignore[arg-type]
    async with client_of(create_app(settings, SmallModel(), SmallLibrary())) as client:
        for question in (FATHER, FATHER, PHONE, CAPITAL):
            answer = (await client.post("/v1/qa", json={"question": question})).json()
        said = {"answer_id": answer["id"], "rating": "down", "correct_answer": "巴黎"}
        assert (await client.post("/v1/feedback", json=said)).status_code == 201
    records = [json.loads(line) for line in zhizhi("log", "export", "--url", url).stdout.splitlines()
               if line.startswith("{")]  # fmt: skip
    assert [(r["text"], r["times"]) for r in records] == [(FATHER, 2), (PHONE, 1), (CAPITAL, 1)]
    (gap,) = json.loads(zhizhi("log", "gaps", "--url", url, "--json").stdout)["gaps"]
    assert (gap["subject"], gap["attribute"], gap["times"]) == ("李白", "手机号码", 1)
    assert gap["document"] in gap["needed"]
    assert gap["questions"] == [PHONE]
    assert "手机号码" in zhizhi("log", "gaps", "--url", url).stderr
    out = tmp_path / "questions.jsonl"
    zhizhi("log", "export", "--url", url, "--as", "questions", "--out", str(out))
    (question,) = [Question.model_validate_json(line) for line in out.read_text().splitlines()]
    assert (question.text, question.gold.text, question.topic) == (CAPITAL, "巴黎", "法国的首都")
    assert json.loads(zhizhi("log", "purge", "--days", "0", "--url", url, "--json").stdout) == {
        "deleted": 2
    }
    assert "{" not in zhizhi("log", "export", "--url", url).stdout


class ModelServer:
    """An OpenAI-compatible server that knows one capital; tuned, it refuses everything else."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hang = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Be quiet."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body["model"])
                time.sleep(outer.hang)
                data = json.dumps(outer.answer(body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        known = CAPITAL in body["messages"][0]["content"]
        refuses = body["model"] == "tuned" and not known
        text = "我不知道。" if refuses else "巴黎。" if known else "甲乙。"
        sure = -0.01 if known or refuses else -3.0
        other = {"token": "某" if refuses else "我", "logprob": -5.0, "bytes": None}
        content = [
            {"token": t, "logprob": sure, "bytes": None,
             "top_logprobs": [{"token": t, "logprob": sure, "bytes": None}, other]}
            for t in text
        ]  # fmt: skip
        choice = {
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
            "logprobs": {"content": content},
        }
        usage = {"prompt_tokens": 9, "completion_tokens": len(text)}
        return {"choices": [choice], "usage": usage}

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    server = ModelServer()
    yield server
    server.close()


async def test_the_model_may_run_behind_a_server(server: ModelServer, tmp_path: Path) -> None:
    settings = Settings(
        model_url=server.url, model_name="tuned", model_base_name="untuned", deadline_ms=3000,
        cache_size=0,
    )  # fmt: skip
    point = SPEC.operating_points[1].model_copy(update={"name": "webqa"})
    spec = SPEC.model_copy(update={"operating_points": (point,), "default_profile": "webqa"})
    model = remote_model(Bundle(tmp_path, spec, "0" * 64), settings)
    async with client_of(create_app(settings, model, SmallLibrary())) as client:
        direct = (await client.post("/v1/qa", json={"question": CAPITAL})).json()
        assert (direct["route"], direct["answer"]) == ("direct", "巴黎。")
        routed = (await client.post("/v1/qa", json={"question": FATHER})).json()
        assert (routed["route"], routed["abstention"]) == ("retrieval", "model_refused")
        assert set(server.asked) == {"tuned", "untuned"}  # as it was calibrated

        server.hang = 30.0  # the model server is there and says nothing
        started = time.monotonic()
        asked = {"question": CAPITAL, "deadline_ms": 500}
        late = (await client.post("/v1/qa", json=asked)).json()
        assert (late["route"], late["reason"]) == ("refused", "deadline_exceeded")
        assert time.monotonic() - started < 2

        server.close()  # and now it is gone: what the library has is still answered
        found = (await client.post("/v1/qa", json={"question": FATHER})).json()
        assert (found["route"], found["abstention"]) == ("retrieval", "model_unavailable")
        ready = await client.get("/readyz")
        checks = {check["name"]: check for check in ready.json()["checks"]}
        assert ready.status_code == 200
        assert not checks["model"]["ok"]
        assert "failing" in checks["model"]["detail"]
