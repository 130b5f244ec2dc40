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
import os
import random
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

from bench.support.servers import Server, free_port, serve_plain, serve_zhizhi  # noqa: E402

CLIENTS = 16


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
    from zhizhi.serving import open_to_serve

    model, chain = open_to_serve(run)
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

        def over_http(question: str) -> None:
            client.post("/v1/qa", json={"question": question, "fallback": "never"})

        def in_process(question: str) -> None:
            model.attempt([question])

        for number, question in enumerate(questions):
            ways = [(over_http, through), (in_process, within)]
            # In turn, so that neither always finds the caches warm.
            for ask, taken in ways if number % 2 else reversed(ways):
                started = time.perf_counter()
                ask(question)
                taken.append(1000 * (time.perf_counter() - started))
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
    refused = [q for q, a in zip(questions, model.attempt(questions), strict=True) if a.refused]
    if not refused:
        return None, 0
    whole = Sampling(max_new_tokens=model.spec.max_new_tokens)
    ending = whole.model_copy(update={"stop_at_refusal": True})
    conversations = [model.conversation(question) for question in refused]
    shares = [
        early.completion_tokens / full.completion_tokens
        for early, full in zip(
            model.model.generate(conversations, ending),
            model.model.generate(conversations, whole),
            strict=True,
        )
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

    with Server(serve_zhizhi, run) as ours:
        asyncio.run(throughput(ours.url, questions[:32], never))
        shared = asyncio.run(throughput(ours.url, questions, never))
    with Server(serve_plain, run) as plain:
        asyncio.run(throughput(plain.url, questions[:32], {}))
        single = asyncio.run(throughput(plain.url, questions, {}))
    through, within = overhead(arguments.run, questions[:100])
    with Server(serve_zhizhi, run, speculate="always") as ours:
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
