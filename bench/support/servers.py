"""Servers for the benchmarks, each a process of its own on loopback."""

from __future__ import annotations

import multiprocessing
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def serve_zhizhi(run: str, port: int, **settings: Any) -> None:
    """The service as it is, without its cache: every question is worked on."""
    from service.app import create_app
    from service.server import serve
    from service.settings import Settings
    from zhizhi.serving import open_to_serve

    chosen = Settings(port=port, cache_size=0, log_level="error", **settings)
    model, chain = open_to_serve(Path(run))
    sys.exit(serve(create_app(chosen, model, chain), chosen))


def serve_plain(run: str, port: int) -> None:
    """What one writes first: an endpoint that gives its one question to transformers' ``generate``.

    The base and its adapter are as transformers and PEFT load them; the answer is what the tuned model says
    by itself, with no confidence.
    """
    import threading

    import torch
    import uvicorn
    from fastapi import Body, FastAPI
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.bundle import Bundle
    from training.language_pack import language_pack

    bundle = Bundle.load(Path(run) / "bundle")
    base = bundle.base_path()
    tokenizer = AutoTokenizer.from_pretrained(base)
    plain = AutoModelForCausalLM.from_pretrained(base)
    tuned = PeftModel.from_pretrained(plain, str(bundle.adapter)).eval()
    pack = language_pack("zh")
    lock = threading.Lock()  # a model's forward pass is not for two threads
    app = FastAPI()

    @app.get("/readyz")
    def readyz() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/v1/qa")
    def qa(question: str = Body(embed=True)) -> dict[str, Any]:
        asked = pack.prompt(question, bundle.spec.prompt)
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": asked}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with lock, torch.inference_mode():
            out = tuned.generate(
                **inputs, max_new_tokens=bundle.spec.max_new_tokens, do_sample=False
            )
        told = out[0, inputs["input_ids"].shape[1] :]
        return {"answer": tokenizer.decode(told, skip_special_tokens=True)}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


class Server:
    """A server process that is ended at the end."""

    def __init__(self, target: Any, run: str, **settings: Any) -> None:
        self.port = free_port()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(
            target=target, args=(run, self.port), kwargs=settings, daemon=True
        )
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        self.process.start()
        until = time.monotonic() + 180
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return self
            except httpx.TransportError:
                if not self.process.is_alive():
                    sys.exit(f"The server ended with status {self.process.exitcode}.")
            time.sleep(0.1)
        sys.exit("The server did not get ready within three minutes.")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.join(10)
