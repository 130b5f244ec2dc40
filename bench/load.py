"""Load on a finished run: more questions than it can answer, for minutes, on loopback.

    python bench/load.py [--run runs/demo] [--seconds 300] [--factor 2] [--json]

First a crowd that waits for its answers shows how many questions/s the service can take; then questions
come at ``factor`` times that rate, whether the earlier ones are answered or not. Every request must be
answered or told 429 or 503, within the deadline, by a process that stays up and does not grow.

accepted_p50_ms, accepted_p99_ms   latencies of the requests that were answered
late_share                         of these, answers that came later than the deadline and the slack
memory_growth                      resident memory at the end over that after the first fifth
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]

# Python puts the script's folder first, where service.py would pass for the package `service`.
sys.path[:] = [str(Path(__file__).parents[1])] + [
    entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent.resolve()
]

from bench.support.servers import Server, serve_zhizhi  # noqa: E402

CROWD = 32
MEASURE_SECONDS = 10.0
DEADLINE_MS = 5000
SLACK_SECONDS = 1.0  # of a machine that the load's own clients share
# httpx looks through all connections of a pool for every request: one large pool would be slower than what
# it is to load.
POOLS, CONNECTIONS = 48, 32


async def capacity(client: httpx.AsyncClient, ask: Any, seconds: float) -> float:
    """Questions/s of CROWD clients that ask one after the other."""
    until, done = time.monotonic() + seconds, 0

    async def one() -> None:
        nonlocal done
        while time.monotonic() < until:
            await client.post("/v1/qa", json=ask())
            done += 1

    await asyncio.gather(*(one() for _ in range(CROWD)))
    return done / seconds


async def load(
    url: str, process: psutil.Process, questions: list[str], seconds: float, factor: float
) -> dict[str, Any]:
    rng = random.Random(1)

    def ask() -> dict[str, Any]:
        return {"question": rng.choice(questions), "deadline_ms": DEADLINE_MS}

    statuses: Counter[str] = Counter()
    routes: Counter[str] = Counter()
    accepted: list[float] = []
    memory: list[int] = []
    tasks: set[asyncio.Task[None]] = set()
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, limits=limits, timeout=60)
            )
            for _ in range(POOLS)
        ]
        turn = itertools.cycle(clients)
        rate = await capacity(clients[0], ask, MEASURE_SECONDS)

        async def one() -> None:
            started = time.monotonic()
            try:
                response = await next(turn).post("/v1/qa", json=ask())
            except httpx.HTTPError as error:
                statuses[type(error).__name__] += 1
                return
            statuses[str(response.status_code)] += 1
            if response.status_code == 200:
                answer = response.json()
                routes[f"{answer['route']} {answer['reason'] or ''}".strip()] += 1
                accepted.append(time.monotonic() - started)

        began, due, sampled = time.monotonic(), 0.0, 0.0
        while (now := time.monotonic() - began) < seconds:
            while due <= now:
                due += rng.expovariate(rate * factor)
                task = asyncio.create_task(one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if now >= sampled:
                memory.append(process.memory_info().rss)
                sampled += 1.0
            await asyncio.sleep(max(0.001, min(due - now, 0.05)))
        await asyncio.gather(*tasks)
        alive = (await clients[0].get("/healthz")).status_code == 200
    accepted.sort()
    settled = memory[len(memory) // 5 :]
    limit = DEADLINE_MS / 1000 + SLACK_SECONDS
    return {
        "seconds": seconds,
        "capacity_per_second": round(rate, 1),
        "offered_per_second": round(sum(statuses.values()) / seconds, 1),
        "answered_per_second": round(len(accepted) / seconds, 1),
        "requests": sum(statuses.values()),
        "statuses": dict(sorted(statuses.items())),
        "routes": dict(routes.most_common()),
        "unexpected": sum(n for s, n in statuses.items() if s not in ("200", "429", "503")),
        "accepted_p50_ms": round(1000 * statistics.median(accepted), 1),
        "accepted_p99_ms": round(1000 * accepted[int(0.99 * (len(accepted) - 1))], 1),
        "accepted_max_ms": round(1000 * accepted[-1], 1),
        "deadline_ms": DEADLINE_MS,
        "late_share": round(sum(t > limit for t in accepted) / len(accepted), 5),
        "memory_mb": round(memory[-1] / 2**20),
        "memory_growth": round(memory[-1] / settled[0], 3),
        "alive": alive,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--factor", type=float, default=2.0, help="offered over what it can take")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    path = arguments.run / "graph" / "questions.jsonl"
    if not path.exists():
        sys.exit(
            f"{path} is missing. Make a run first: zhizhi demo --no-serve --out {arguments.run}"
        )
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    questions = [record["text"] for record in records if record["split"] == "test"]
    with Server(serve_zhizhi, str(arguments.run), max_queue=96) as server:
        process = psutil.Process(server.process.pid)
        result = asyncio.run(
            load(server.url, process, questions, arguments.seconds, arguments.factor)
        )
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<22} {value}")
    if result["unexpected"] or not result["alive"]:
        sys.exit("Some requests were neither answered nor told to come back later.")


if __name__ == "__main__":
    main()
