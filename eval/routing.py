"""What retrieval buys and costs: needed × called, distraction, rescue, citation support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.figures import share
from eval.record import Record
from eval.result import EvaluationResult
from kg_builder.matching import matches
from kg_builder.question import Question


def routing_figures(result: EvaluationResult, name: str) -> dict[str, Any] | None:
    """The figures of an arm that retrieves; None where it never does.

    needed_called      retrieval needed (the model's own best answer is not right) × called
    distraction        of the retrieved questions that the model had right by itself, those now wrong
    lost               of the same, those now refused
    rescue             of the questions that the arm without fallback refuses, those now right
    citation_support   of the right answers by retrieval, those whose citation names the gold
    unsupported        of the answers by retrieval, those without any citation
    """
    records = result.arms[name].records
    if not any(r.retrieved for r in records):
        return None
    level = result.settings.confidence
    found: dict[str, Any] = {}
    right = result.attempts_right()
    if right is not None:
        found |= _against_direct(records, right, level)
    alone = result.arms.get("calibrated")
    if alone is not None:
        refused = [r for r, a in zip(records, alone.records, strict=True) if a.verdict == "refused"]
        found["rescue"] = share(sum(r.verdict == "correct" for r in refused), len(refused), level)
    read = [
        (q, r)
        for q, r in zip(result.questions, records, strict=True)
        if r.route == "retrieval" and r.text is not None
    ]
    good = [(q, r) for q, r in read if r.verdict == "correct"]
    found["citation_support"] = share(sum(_supports(q, r) for q, r in good), len(good), level)
    found["unsupported"] = share(sum(not r.citations for _, r in read), len(read), level)
    return found


def _against_direct(
    records: Sequence[Record], right: Sequence[bool], level: float
) -> dict[str, Any]:
    grid = {
        needed: {
            called: sum(
                (not known) == needed and r.retrieved == called
                for r, known in zip(records, right, strict=True)
            )
            for called in (True, False)
        }
        for needed in (True, False)
    }
    known = [r for r, k in zip(records, right, strict=True) if k and r.retrieved]
    wrong = sum(r.verdict in ("wrong", "ambiguous") for r in known)
    return {
        "needed_called": {
            "needed_called": grid[True][True],
            "needed_not_called": grid[True][False],
            "not_needed_called": grid[False][True],
            "not_needed_not_called": grid[False][False],
        },
        "distraction": share(wrong, len(known), level),
        "lost": share(sum(r.verdict == "refused" for r in known), len(known), level),
    }


def _supports(question: Question, record: Record) -> bool:
    return any(matches(c.quote, question.gold).verdict == "right" for c in record.citations)
