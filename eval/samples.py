"""Samples: transcripts of every kind of outcome, so that a reader can judge what the figures mean."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from eval.record import Record
from eval.result import EvaluationResult
from eval.run import shuffled

SHOWN_ARMS = ("calibrated_fallback", "calibrated", "prompt_only", "base")


def kind_of(record: Record, known: bool | None) -> str:
    """direct-correct, retrieval-wrong, refused-known, …; ``known`` is what the base has right."""
    if record.verdict == "refused":
        return {True: "refused-known", False: "refused-unknown"}.get(known, "refused")  # type: ignore[arg-type]
    if record.verdict == "unscored":
        return "unscored"
    return f"{record.route}-{record.verdict}"


def samples(result: EvaluationResult, per_kind: int = 3) -> dict[str, list[dict[str, Any]]]:
    """{kind: transcripts} of the most complete arm; the questions are drawn by the seed, not chosen."""
    name = next((n for n in SHOWN_ARMS if n in result.arms), next(iter(result.arms)))
    base = result.arms.get("base")
    place = {q.id: i for i, q in enumerate(result.questions)}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for question in shuffled(result.questions, result.settings.seed):
        i = place[question.id]
        record = result.arms[name].records[i]
        kind = kind_of(record, result.known[i])
        if len(found[kind]) >= per_kind:
            continue
        attempt = result.attempts[i] if result.attempts else None
        found[kind].append(
            {
                "arm": name,
                "question": question.text,
                "gold": question.gold.text,
                "base": None if base is None else base.records[i].text,
                "direct": None if attempt is None else attempt.text,
                "direct_confidence": None if attempt is None else attempt.confidence,
                "text": record.text,
                "route": record.route,
                "verdict": record.verdict,
                "confidence": record.confidence,
                "abstention": record.abstention,
                "reason": record.reason,
                "error": record.error,
                "citations": [
                    {"title": c.title, "quote": c.quote, "url": c.url} for c in record.citations
                ],
            }
        )
    return dict(sorted(found.items()))
