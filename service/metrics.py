"""Metrics: what Prometheus scrapes at /metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from service.desk import Desk, Ticket
from service.router import Outcome
from service.seams import Breaking

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """One registry for one application, so that two in a process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.http = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests, streams to their end.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=SECONDS,
            registry=r,
        )
        self.answers = Counter(
            "zhizhi_answers_total",
            "Answers by route, the reason of a refusal, and whether the cache had it.",
            ("route", "reason", "cached"),
            registry=r,
        )
        self.refusals = Counter(
            "zhizhi_refusals_total",
            "Questions not answered, by the stage that did not: the model, or retrieval after it.",
            ("stage", "reason"),
            registry=r,
        )
        self.first_token = Histogram(
            "zhizhi_time_to_first_token_seconds",
            "From the question to the first piece of the answer.",
            ("route",),
            buckets=SECONDS,
            registry=r,
        )
        self.stages = Histogram(
            "zhizhi_stage_duration_seconds",
            "Time in each stage: direct, retrieval, and what retrieval reports of itself.",
            ("stage",),
            buckets=SECONDS,
            registry=r,
        )
        self.confidence = Histogram(
            "zhizhi_confidence", "Calibrated confidence of attempts.", buckets=SHARES, registry=r
        )
        self.tokens = Counter("zhizhi_tokens_total", "Tokens by kind.", ("kind",), registry=r)
        self.batch_size = Histogram(
            "zhizhi_batch_size", "Questions in a model batch.", buckets=SIZES, registry=r
        )
        self.batch_seconds = Histogram(
            "zhizhi_batch_duration_seconds",
            "Duration of model batches.",
            buckets=SECONDS,
            registry=r,
        )
        self.saved = Counter(
            "zhizhi_tokens_saved_total",
            "Tokens not generated because the refusal was certain before.",
            registry=r,
        )
        self.degraded = Counter(
            "zhizhi_degraded_total",
            "Answers that had to do without something that was down, such as the reading model.",
            ("part",),
            registry=r,
        )
        self.breakers = Gauge(
            "zhizhi_breaker_open",
            "1 where a search provider is left alone because it failed lately.",
            ("provider",),
            registry=r,
        )
        self.info = Gauge("zhizhi_serving", "What is served now.", ("model", "index"), registry=r)

    def watch(self, desk: Desk) -> None:
        """Gauges that are read from the desk at the time of the scrape."""
        self._gauge("zhizhi_queue_depth", "Questions waiting.", lambda: desk.backend.batcher.depth)
        self._gauge(
            "zhizhi_queue_limit", "Questions that may wait.", lambda: desk.settings.max_queue
        )
        self._gauge(
            "zhizhi_batch_busy_seconds",
            "How long the current batch has been running.",
            lambda: desk.backend.batcher.busy_seconds,
        )

    def gauge(self, name: str, words: str, value: Callable[[], float]) -> None:
        self._gauge(name, words, value)

    def _gauge(self, name: str, words: str, value: Callable[[], float]) -> None:
        Gauge(name, words, registry=self.registry).set_function(value)

    def batch(self, size: int, seconds: float) -> None:
        self.batch_size.observe(size)
        self.batch_seconds.observe(seconds)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.http.labels(method, route, str(status)).observe(seconds)

    def answered(self, _: Ticket, outcome: Outcome) -> None:
        answer = outcome.answer
        self.answers.labels(answer.route, answer.reason or "", str(answer.cached).lower()).inc()
        total = answer.timings_ms.get("total")
        if total is not None:
            self.first_token.labels(answer.route).observe(total / 1000)
        if answer.cached:
            return
        for part in answer.degraded:
            self.degraded.labels(part).inc()
        if answer.abstention not in (None, "fallback_always", "no_model"):
            self.refusals.labels("model", answer.abstention).inc()
        if answer.route == "refused" and "retrieval" in answer.timings_ms:
            self.refusals.labels("retrieval", answer.reason or "").inc()
        for stage, milliseconds in answer.timings_ms.items():
            if stage != "total":
                self.stages.labels(stage).observe(milliseconds / 1000)
        if outcome.attempt is not None:
            self.confidence.observe(outcome.attempt.confidence)
        for kind in ("prompt", "completion"):
            self.tokens.labels(kind).inc(answer.usage.get(f"{kind}_tokens", 0))
        self.saved.inc(answer.usage.get("tokens_saved", 0))

    def exposition(self, desk: Desk) -> bytes:
        self.breakers.clear()
        web = getattr(desk.backend.chain, "web", None)
        if isinstance(web, Breaking):
            for provider, opened in web.breakers.items():
                self.breakers.labels(provider).set(opened)
        self.info.clear()
        self.info.labels(desk.backend.model, desk.backend.index or "").set(1)
        return generate_latest(self.registry)
