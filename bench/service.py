"""Benchmark of the service on a finished run: throughput, overhead of HTTP, routing, refusals.

    python bench/service.py [--run runs/demo] [--json]

Every server is a process of its own on loopback, and every figure a ratio taken on this machine in one go.

throughput_ratio      questions/s at 16 concurrent clients: this service over a plain FastAPI + generate one
http_overhead_p50_ms  p50 of one client's POST /v1/qa minus p50 of the same call in process
routed_p50_ratio      p50 of routed questions over p50 of max(model, search) + reading, with speculation
refusal_token_share   tokens until a refusal was decided, over the tokens of that question's full generations
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import socket
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx

# Python puts the script's folder first, where this file would pass for the package `service`.
sys.path[:] = [str(Path(__file__).parents[1])] + [
    entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent.resolve()
]

CLIENTS = 16


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


# ---- the servers ------------------------------------------------------------------------------------


def serve_zhizhi(run: str, port: int, speculate: str) -> None:
    """The service as it is, without its cache: every question is worked on."""
    from service.app import create_app
    from service.server import serve
    from service.settings import Settings
    from zhizhi.serving import open_run

    settings = Settings(port=port, cache_size=0, speculate=speculate, log_level="error")
    model, chain = open_run(Path(run))
    sys.exit(serve(create_app(settings, model, chain), settings))


def serve_plain(run: str, port: int) -> None:
    """What one writes first: an endpoint that calls the same model with its one question."""
    import threading

    import uvicorn
    from fastapi import Body, FastAPI

    from zhizhi.serving import open_run

    model, _ = open_run(Path(run))
    lock = threading.Lock()  # a model's forward pass is not for two threads
    app = FastAPI()

    @app.get("/readyz")
    def readyz() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/v1/qa")
    def qa(question: str = Body(embed=True)) -> dict[str, Any]:
        with lock:
            (attempt,) = model.attempt([question])
        return {"answer": attempt.text, "confidence": attempt.confidence}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


class Server:
    """A server process that is ended at the end."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self.port = free_port()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(
            target=target, args=(arguments[0], self.port, *arguments[1:]), daemon=True
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


# ---- the measurements -------------------------------------------------------------------------------


async def throughput(url: str, questions: list[str], extra: dict[str, Any]) -> float:
    """Questions/s of CLIENTS clients that ask one after the other."""
    queue = list(reversed(questions))
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as client:

        async def one() -> None:
            while queue:
                response = await client.post("/v1/qa", json={"question": queue.pop(), **extra})
                response.raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(CLIENTS)))
        return len(questions) / (time.perf_counter() - started)


def overhead(run: Path, questions: list[str]) -> tuple[float, float]:
    """p50 in ms of a question through HTTP, and of the same call in process; the two alternate."""
    import threading

    import uvicorn

    from service.app import create_app
    from service.settings import Settings
    from zhizhi.serving import open_run

    model, chain = open_run(run)
    settings = Settings(port=free_port(), cache_size=0, log_level="error")
    config = uvicorn.Config(
        create_app(settings, model, chain), port=settings.port, log_level="error"
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    through: list[float] = []
    within: list[float] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}") as client:
        for question in questions:
            started = time.perf_counter()
            model.attempt([question])
            within.append(1000 * (time.perf_counter() - started))
            started = time.perf_counter()
            client.post("/v1/qa", json={"question": question, "fallback": "never"})
            through.append(1000 * (time.perf_counter() - started))
    server.should_exit = True
    return statistics.median(through), statistics.median(within)


def routed(url: str, questions: list[str]) -> tuple[float, float, int]:
    """p50 in ms of questions that took the way through retrieval; p50 of what it should take."""
    took: list[float] = []
    should: list[float] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for question in questions:
            started = time.perf_counter()
            answer = client.post("/v1/qa", json={"question": question}).json()
            milliseconds = 1000 * (time.perf_counter() - started)
            timings = answer["timings_ms"]
            if "retrieval" not in timings or "direct" not in timings:
                continue
            reading = timings.get("retrieval.read", 0.0) + timings.get("retrieval.check", 0.0)
            searching = timings.get("retrieval.retrieve", 0.0) + timings.get("retrieval.rank", 0.0)
            took.append(milliseconds)
            should.append(max(timings["direct"], searching) + reading)
    if not took:
        sys.exit("No question was routed to retrieval: nothing to measure.")
    return statistics.median(took), statistics.median(should), len(took)


def refusal_tokens(run: Path, questions: list[str]) -> tuple[float | None, int]:
    """Tokens until the refusal was decided over those of the full generation, mean over refusals."""
    from training.generation import Sampling
    from zhizhi.serving import open_run

    model, _ = open_run(run)
    attempts = model.attempt(questions)
    refused = [i for i, attempt in enumerate(attempts) if attempt.refused]
    if not refused:
        return None, 0
    sampling = Sampling(max_new_tokens=model.spec.max_new_tokens)
    conversations = [model.conversation(questions[i]) for i in refused]
    full = model.model.generate(conversations, sampling)
    shares = [
        attempts[i].generation.completion_tokens / max(1, generation.completion_tokens)
        for i, generation in zip(refused, full, strict=True)
    ]
    return statistics.mean(shares), len(refused)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--questions", type=int, default=320)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    path = arguments.run / "graph" / "questions.jsonl"
    if not path.exists():
        sys.exit(
            f"{path} is missing. Make a run first: zhizhi demo --no-serve --out {arguments.run}"
        )
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [record["text"] for record in records if record["split"] == "test"]
    random.Random(0).shuffle(texts)
    questions = texts[: arguments.questions]
    run = str(arguments.run)
    never = {"fallback": "never"}  # the plain server has nothing to fall back to

    with Server(serve_zhizhi, run, "off") as ours:
        asyncio.run(throughput(ours.url, questions[:32], never))
        shared = asyncio.run(throughput(ours.url, questions, never))
    with Server(serve_plain, run) as plain:
        asyncio.run(throughput(plain.url, questions[:32], {}))
        single = asyncio.run(throughput(plain.url, questions, {}))
    through, within = overhead(arguments.run, questions[:100])
    with Server(serve_zhizhi, run, "always") as ours:
        took, should, n_routed = routed(ours.url, questions[:150])
    share, n_refused = refusal_tokens(arguments.run, questions)

    result = {
        "n": len(questions),
        "clients": CLIENTS,
        "cores": os.cpu_count(),
        "questions_per_second": round(shared, 1),
        "plain_questions_per_second": round(single, 1),
        "throughput_ratio": round(shared / single, 2),
        "http_p50_ms": round(through, 2),
        "in_process_p50_ms": round(within, 2),
        "http_overhead_p50_ms": round(through - within, 2),
        "routed_p50_ms": round(took, 2),
        "routed_parts_p50_ms": round(should, 2),
        "routed_p50_ratio": round(took / should, 2),
        "routed_n": n_routed,
        "refusal_token_share": None if share is None else round(share, 3),
        "refused_n": n_refused,
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<28} {value}")


if __name__ == "__main__":
    main()
