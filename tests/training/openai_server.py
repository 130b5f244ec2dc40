"""A small OpenAI-compatible server over a real socket that answers from a model in this process.

It speaks /v1/chat/completions as vLLM does: log-probabilities with bytes, seeds, begun answers that are
continued. It can be told to fail first: ``faults`` are consumed one a request.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from training.engine.local import LocalModel


class Fault(dict[str, Any]):
    """status, headers, body; or hang (seconds), or drop (the connection)."""


class SmallServer:
    """Keeps what it was asked, and how many requests were in its hands at once."""

    def __init__(self, model: LocalModel, *, slow: float = 0.0) -> None:
        self.model = model
        self.slow = slow
        self.faults: list[Fault] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._computing = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                """Be quiet."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    server.requests.append(body)
                    server.headers.append(dict(self.headers))
                    fault = server.faults.pop(0) if server.faults else None
                    server._at_once += 1
                    server.most_at_once = max(server.most_at_once, server._at_once)
                try:
                    if fault is not None and "hang" in fault:
                        time.sleep(fault["hang"])
                    if fault is not None and "drop" in fault:
                        self.close_connection = True
                        return
                    time.sleep(server.slow)
                    if fault is not None and "status" in fault:
                        self._send(fault["status"], fault.get("body", ""), fault.get("headers", {}))
                    elif self.path != "/v1/chat/completions":
                        self._send(404, json.dumps({"error": {"message": "no such path"}}), {})
                    else:
                        self._send(200, json.dumps(server.answer(body)), {})
                except (BrokenPipeError, ConnectionResetError):
                    pass
                finally:
                    with server._lock:
                        server._at_once -= 1

            def _send(self, status: int, text: str, headers: dict[str, str]) -> None:
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)

        return Handler

    @torch.inference_mode()
    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """One completion, token by token, each from a plain forward over everything so far."""
        messages, tokenizer = body["messages"], self.model.tokenizer
        begun = ""
        if body.get("continue_final_message"):
            *messages, last = messages
            begun = last["content"]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(str(text) + begun, add_special_tokens=False)["input_ids"]
        prompt = len(ids)
        stream = torch.Generator().manual_seed(body.get("seed", 0))
        content, finish = [], "length"
        with self._computing:
            for _ in range(body["max_tokens"]):
                logprobs = (
                    self.model.model(torch.tensor([ids])).logits[0, -1].float().log_softmax(-1)
                )
                if body["temperature"] > 0:
                    p = (logprobs / body["temperature"]).softmax(-1)
                    token = int(p.multinomial(1, generator=stream))
                else:
                    token = int(logprobs.argmax())
                top = logprobs.topk(body.get("top_logprobs") or 1)
                content.append(
                    self._told(token, float(logprobs[token]))
                    | {
                        "top_logprobs": [
                            self._told(int(t), float(v))
                            for v, t in zip(top.values, top.indices, strict=True)
                        ]
                    }
                )
                ids.append(token)
                if token in self.model.end_ids:
                    finish = "stop"
                    break
        said = tokenizer.decode(ids[prompt:], skip_special_tokens=True)
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": said},
            "finish_reason": finish,
        }
        if body.get("logprobs"):
            choice["logprobs"] = {"content": content}
        usage = {"prompt_tokens": prompt, "completion_tokens": len(ids) - prompt}
        return {"object": "chat.completion", "choices": [choice], "usage": usage}

    def _told(self, token: int, logprob: float) -> dict[str, Any]:
        raw = token_bytes(self.model, token)
        return {"token": raw.decode(errors="replace"), "bytes": list(raw), "logprob": logprob}


def token_bytes(model: LocalModel, token: int) -> bytes:
    """What a token adds to the text; it may be a part of a character."""
    text = model.tokenizer.convert_ids_to_tokens(token)
    if text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:-1], 16)])
    return text.replace("▁", " ").encode()


@contextmanager
def serving(model: LocalModel, **options: Any) -> Iterator[SmallServer]:
    server = SmallServer(model, **options)
    thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join(5)
