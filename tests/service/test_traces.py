"""Traces as a collector receives them over the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.service.serving import serving
from tests.service.world import FATHER

pytest.importorskip("opentelemetry.sdk")

pytestmark = pytest.mark.slow


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An address to send to, and what came."""
    came: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Be quiet."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                came.append(body)
            self.send_response(200)
            self.end_headers()

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}", came
    http.shutdown()
    http.server_close()


def test_the_stages_of_an_answer_are_spans_of_its_request(
    collector: tuple[str, list[bytes]],
) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    url, came = collector
    environment = {
        "ZHIZHI_TRACING": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRICS_EXPORTER": "none",
    }
    with serving(**environment) as (_, served):
        answer = httpx.post(f"{served}v1/qa", json={"question": FATHER}).json()
        httpx.get(f"{served}healthz")
        until = time.monotonic() + 20
        spans, names = [], set()
        while time.monotonic() < until and "zhizhi.retrieval" not in names:
            time.sleep(0.1)
            requests = [ExportTraceServiceRequest.FromString(body) for body in list(came)]
            resources = [r for request in requests for r in request.resource_spans]
            spans = [s for r in resources for scope in r.scope_spans for s in scope.spans]
            names = {span.name for span in spans}
    assert {"POST /v1/qa", "zhizhi.direct", "zhizhi.retrieval"} <= names
    assert not any("healthz" in name for name in names)
    (request,) = [span for span in spans if span.name == "POST /v1/qa"]
    for name in ("zhizhi.direct", "zhizhi.retrieval"):
        (stage,) = [span for span in spans if span.name == name]
        assert stage.trace_id == request.trace_id
        assert request.start_time_unix_nano <= stage.start_time_unix_nano
        assert stage.end_time_unix_nano <= request.end_time_unix_nano
    told = {a.key: a.value.string_value for span in spans for a in span.attributes}
    assert told["zhizhi.route"] == answer["route"] == "retrieval"
    assert told["zhizhi.answer_id"] == answer["id"]
    services = {a.value.string_value for r in resources for a in r.resource.attributes}
    assert "zhizhi" in services
    assert not any(FATHER.encode() in body for body in came)
