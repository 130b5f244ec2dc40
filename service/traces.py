"""Traces: the stages of an answer as OpenTelemetry spans, under the span of its request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry import trace

if TYPE_CHECKING:
    from service.desk import Ticket
    from service.router import Outcome

STAGES = ("direct", "retrieval")


class Traces:
    """Says where the time went; says nothing of what was asked."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("zhizhi")

    def answered(self, _: Ticket, outcome: Outcome) -> None:
        answer = outcome.answer
        told = {
            "zhizhi.route": answer.route,
            "zhizhi.reason": answer.reason,
            "zhizhi.abstention": answer.abstention,
            "zhizhi.confidence": answer.confidence,
            "zhizhi.model": answer.model,
            "zhizhi.index": answer.index,
            "zhizhi.provider": answer.provider,
            "zhizhi.cached": answer.cached,
            "zhizhi.answer_id": answer.id,
        }
        trace.get_current_span().set_attributes({k: v for k, v in told.items() if v is not None})
        at = time.time_ns() - _ns(answer.timings_ms.get("total", 0.0))
        for stage in STAGES:
            if stage not in answer.timings_ms:
                continue
            span = self._tracer.start_span(f"zhizhi.{stage}", start_time=at)
            steps = f"{stage}."
            for name, milliseconds in answer.timings_ms.items():
                if name.startswith(steps):
                    span.set_attribute(f"zhizhi.{name}_ms", milliseconds)
            at += _ns(answer.timings_ms[stage])
            span.end(at)


def _ns(milliseconds: float) -> int:
    return int(milliseconds * 1_000_000)
