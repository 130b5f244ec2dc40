"""The report of an evaluation: everything that was found, as one JSON-able object and as files.

report.json    all of it             report.html    one page that needs nothing else
report.md      the tables in words   report.csv     one row an arm     records.csv   one row an answer
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.breakdown import breakdown
from eval.cost import Prices
from eval.curves import curves, reliability
from eval.figures import entity_of
from eval.provenance import provenance
from eval.result import EvaluationResult
from eval.samples import samples
from eval.table import table
from kg_builder.files import write_json, write_text
from kg_builder.question import Language

FORMAT = 1


def report(
    result: EvaluationResult,
    *,
    title: str = "",
    prices: Prices | None = None,
    training: Sequence[dict[str, Any]] = (),
    audit: dict[str, Any] | None = None,
    judge: dict[str, Any] | None = None,
    **origin: Any,
) -> dict[str, Any]:
    """The table with all that explains it.

    ``training`` are the rows of the four training curves (training.curves), ``audit`` and ``judge`` what
    eval.audit and eval.judging found; ``origin`` names model, index and whatever else made the result.
    """
    right = result.attempts_right()
    return {
        "format": FORMAT,
        "title": title,
        **table(result, prices),
        "curves": {
            name: [p.model_dump() for p in points] for name, points in curves(result).items()
        },
        "reliability": None
        if right is None
        else reliability(
            [a.confidence for a in result.attempts],
            right,
            [entity_of(q) for q in result.questions],
            level=result.settings.confidence,
        ),
        "breakdown": breakdown(result),
        "samples": samples(result),
        "training": list(training),
        "audit": audit,
        "judge": judge,
        "prices": None if prices is None else prices.model_dump(),
        "settings": result.settings.model_dump(mode="json"),
        "provenance": result.provenance | provenance(result.questions, **origin),
    }


def write_report(
    result: EvaluationResult,
    found: dict[str, Any],
    folder: Path,
    *,
    languages: Sequence[Language] = ("en", "zh"),
) -> dict[str, Path]:
    """Write every form of the report; report.json is the last. The first language is report.html's, the
    others are report.<language>.html."""
    from eval.html import html
    from eval.markdown import markdown

    files: dict[str, Path] = {}
    for number, language in enumerate(languages):
        suffix = f".{language}" if number else ""
        files[f"html{suffix}"] = folder / f"report{suffix}.html"
        write_text(files[f"html{suffix}"], html(found, language))
        files[f"md{suffix}"] = folder / f"report{suffix}.md"
        write_text(files[f"md{suffix}"], markdown(found, language))
    files["csv"] = folder / "report.csv"
    write_text(files["csv"], arms_csv(found))
    files["records"] = folder / "records.csv"
    write_text(files["records"], records_csv(result))
    result.save(folder)
    files["json"] = folder / "report.json"
    write_json(files["json"], found)
    return files


def arms_csv(found: dict[str, Any]) -> str:
    """One row an arm, an interval as two columns."""
    rows = []
    for name, arm in found["arms"].items():
        row: dict[str, Any] = {"arm": name}
        for key, value in arm.items():
            if key.endswith("_interval"):
                low, high = value if value is not None else (None, None)
                row |= {f"{key[:-9]}_low": low, f"{key[:-9]}_high": high}
            else:
                row[key] = value
        rows.append(row)
    return _csv(rows)


def records_csv(result: EvaluationResult) -> str:
    """One row for each answer of each arm."""
    rows = []
    for name, arm in result.arms.items():
        for question, known, record in zip(
            result.questions, result.known, arm.records, strict=True
        ):
            rows.append(
                {
                    "arm": name,
                    "question_id": question.id,
                    "question": question.text,
                    "gold": question.gold.text,
                    "relation": question.relation,
                    "language": question.language,
                    "popularity": question.popularity,
                    "known": known,
                    "answer": record.text,
                    "verdict": record.verdict,
                    "route": record.route,
                    "confidence": record.confidence,
                    "retrieved": record.retrieved,
                    "reason": record.reason or record.error,
                }
            )
    return _csv(rows)


def _csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    names = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    # A spreadsheet takes what begins like this for a formula.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
