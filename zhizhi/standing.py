"""Standing: the table of the methods that were compared, each figure with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import percentile_interval, weights
from eval.counts import indicators
from eval.figures import arm_figures, entity_of
from eval.markdown import cell, grid
from eval.ranking import average_precision
from eval.verdict import Verdict, judge
from kg_builder.files import read_jsonl, read_manifest, write_json, write_text
from kg_builder.question import Question
from training.selective import aurc, auroc, coverage_at_precision
from zhizhi.methods import PRECISION, Comparison, Method, Outcome, decided

RESAMPLES = 1000
OURS = "ours"
SHOWN = ("precision", "coverage", "over_refusal", "refusal_recall", "ths", "honesty")
AT_PRECISION = "coverage_at_90"


def _at_precision(confidence: Sequence[float], right: Sequence[bool]) -> float:
    return coverage_at_precision(confidence, right, PRECISION)


RANKINGS = {
    "auroc": auroc,
    "aurc": aurc,
    "ap": average_precision,
    AT_PRECISION: _at_precision,
}
BETTER_IS_LESS = {"aurc"}


def standing(comparison: Comparison, methods: Mapping[str, Method]) -> dict[str, Any]:
    """Figures of every method that is done, on the test split, written to standing.json and standing.md.

    Shares have Wilson intervals; what is no share is bootstrapped over entities, the same draws for all, so
    that differences between methods are paired.
    """
    out = comparison.out
    test = comparison.split["test"]
    done = [name for name in methods if "outcomes" in (read_manifest(out / name) or {})]
    told = {name: _read(out / name) for name in done}
    labels = {one.question_id: one.known for one in comparison.labels}
    known = [labels.get(q.id) for q in test]
    clusters = [entity_of(q) for q in test]
    draws = weights(clusters, RESAMPLES, comparison.recipe.seed)
    decisions = {name: _verdicts(comparison, told[name]) for name in done}
    base = decisions.get("base")
    figures: dict[str, dict[str, Any]] = {}
    resampled: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name in done:
        rows = indicators(decisions[name], known, base)
        confidence, right = _ranked(test, told[name])
        found, resampled[name] = _rankings(confidence, right, draws)
        figures[name] = {
            "title": methods[name].title,
            "source": methods[name].source,
            "lm_calls": methods[name].calls,
            **arm_figures(rows, clusters, draws),
            **found,
        }
    table = {
        "n": len(test),
        "known": known.count(True),
        "unknown": known.count(False),
        "examples": comparison.examples,
        "methods": figures,
        "against_the_next": _against_the_next(figures, resampled),
    }
    write_json(out / "standing.json", table)
    write_text(out / "standing.md", as_markdown(table))
    return table


def _read(folder: Path) -> dict[str, Outcome]:
    found = [Outcome.model_validate(r) for r in read_jsonl(folder / "outcomes.jsonl")]
    return {one.question_id: one for one in found}


def _verdicts(comparison: Comparison, told: Mapping[str, Outcome]) -> list[Verdict]:
    calibration, test = comparison.split["calibration"], comparison.split["test"]
    held = [told[q.id] for q in calibration]
    right = [judge(q, one.text) == "correct" for q, one in zip(calibration, held, strict=True)]
    refused = decided([told[q.id] for q in test], held, right)
    return [
        "refused" if held_back else judge(q, told[q.id].text)
        for q, held_back in zip(test, refused, strict=True)
    ]


def _ranked(
    test: Sequence[Question], told: Mapping[str, Outcome]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence and correctness of the best answer to every question, refused or not."""
    confidence = [told[q.id].confidence for q in test]
    right = [judge(q, told[q.id].text) == "correct" for q in test]
    return np.array([0.0 if c is None else c for c in confidence]), np.array(right)


def _rankings(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], draws: NDArray[np.float64]
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    rows = np.arange(len(right))
    again: dict[str, list[float]] = {name: [] for name in RANKINGS}
    for draw in draws:
        chosen = np.repeat(rows, draw.astype(int))
        for name, function in RANKINGS.items():
            again[name].append(function(confidence[chosen].tolist(), right[chosen].tolist()))
    figures: dict[str, Any] = {}
    for name, function in RANKINGS.items():
        value = function(confidence.tolist(), right.tolist())
        figures[name] = value if np.isfinite(value) else None
        figures[f"{name}_interval"] = percentile_interval(again[name])
    return figures, {name: np.array(values) for name, values in again.items()}


def _against_the_next(
    figures: Mapping[str, Mapping[str, Any]], resampled: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Ours minus the best of the others, with a paired interval, in what methods are ranked by."""
    others = [name for name in figures if name != OURS]
    if OURS not in figures or not others:
        return {}
    found = {}
    for name in ("aurc", AT_PRECISION):
        pick = min if name in BETTER_IS_LESS else max
        best = pick(others, key=lambda other: figures[other][name])
        found[name] = {
            "next": best,
            "difference": figures[OURS][name] - figures[best][name],
            "interval": percentile_interval(resampled[OURS][name] - resampled[best][name]),
        }
    return found


def as_markdown(table: Mapping[str, Any]) -> str:
    """The table, with what it was measured on."""
    head = ["method", *(key.replace("_", " ") for key in (*SHOWN, *RANKINGS)), "LM calls"]
    rows = [
        [
            figures["title"],
            *(cell(figures, key) for key in SHOWN),
            *(_plain(figures, key) for key in RANKINGS),
            str(figures["lm_calls"]),
        ]
        for figures in table["methods"].values()
    ]
    lines = [
        f"{table['n']} test questions ({table['known']} that the base model has right, "
        f"{table['unknown']} that it has not), {table['examples']} tuning examples; 95% intervals.",
        "",
        grid(head, rows),
        "",
    ]
    for name, one in table["against_the_next"].items():
        low, high = one["interval"]
        lines.append(
            f"{name.replace('_', ' ')}: ours minus {table['methods'][one['next']]['title']} "
            f"{one['difference']:+.4f} [{low:+.4f}, {high:+.4f}] (paired)"
        )
    return "\n".join(lines) + "\n"


def _plain(figures: Mapping[str, Any], key: str) -> str:
    value, interval = figures[key], figures[f"{key}_interval"]
    if value is None:
        return "–"
    if interval is None:
        return f"{value:.3f}"
    return f"{value:.3f} [{interval[0]:.3f}–{interval[1]:.3f}]"
