"""What retrieval buys and costs: needed × called, distraction, rescue, citation support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.figures import entity_of, share
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
        found |= _against_direct(result.questions, records, right, level)
    alone = result.arms.get("calibrated")
    if alone is not None:
        refused = [
            (q, r)
            for q, r, a in zip(result.questions, records, alone.records, strict=True)
            if a.verdict == "refused"
        ]
        found["rescue"] = _share(refused, [r.verdict == "correct" for _, r in refused], level)
    read = [
        (q, r)
        for q, r in zip(result.questions, records, strict=True)
        if r.route == "retrieval" and r.text is not None
    ]
    good = [(q, r) for q, r in read if r.verdict == "correct"]
    found["citation_support"] = _share(good, [_supports(q, r) for q, r in good], level)
    found["unsupported"] = _share(read, [not r.citations for _, r in read], level)
    return found


def _share(
    pairs: Sequence[tuple[Question, Record]], outcomes: Sequence[bool], level: float
) -> dict[str, Any]:
    return share(outcomes, [entity_of(question) for question, _ in pairs], level)


def _against_direct(
    questions: Sequence[Question], records: Sequence[Record], right: Sequence[bool], level: float
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
    known = [(q, r) for q, r, k in zip(questions, records, right, strict=True) if k and r.retrieved]
    wrong = [r.verdict in ("wrong", "ambiguous") for _, r in known]
    return {
        "needed_called": {
            "needed_called": grid[True][True],
            "needed_not_called": grid[True][False],
            "not_needed_called": grid[False][True],
            "not_needed_not_called": grid[False][False],
        },
        "distraction": _share(known, wrong, level),
        "lost": _share(known, [r.verdict == "refused" for _, r in known], level),
    }


def _supports(question: Question, record: Record) -> bool:
    return any(matches(c.quote, question.gold).verdict == "right" for c in record.citations)
