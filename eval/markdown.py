"""The report in Markdown: for pull requests, terminals and mail."""

from __future__ import annotations

from typing import Any

from eval.headline import (
    ablation_line,
    arm_names,
    certificate_line,
    facts_line,
    gained_line,
    headline,
)
from eval.language_pack import language_pack
from eval.percent import percent
from kg_builder.question import Language

SHOWN = (
    "precision",
    "coverage",
    "accuracy",
    "hallucination",
    "known_kept",
    "over_refusal",
    "retrieval_rate",
    "ths",
)


def markdown(report: dict[str, Any], language: Language = "en") -> str:
    """Headline, table of arms, confidence, routing and breakdowns."""
    words = language_pack(language).report
    names, _ = arm_names(words, report["arms"])
    arms = dict(report["arms"])
    if report["oracle"]:
        arms["oracle"] = report["oracle"]
    parts = [
        f"# {report['title'] or words['title']}",
        headline(report, words),
        facts_line(report, words),
        f"## {words['arms']}",
        grid(
            [words["arm"], *(words[key] for key in SHOWN), words["latency"]],
            [
                [
                    names.get(name, name),  # type: ignore[list-item]
                    *(cell(arm, key) for key in SHOWN),
                    f"{arm['p50_ms']:.0f} / {arm['p95_ms']:.0f} ms"
                    if arm.get("p50_ms") is not None
                    else "–",
                ]
                for name, arm in arms.items()
            ],
        ),
        words["arms_note"],
        certificate_line(report, words),
        gained_line(report, words),
        ablation_line(report, words),
        *_confidence(report, words),
        *_routing(report, words, names),
        *_breakdown(report, words, names),
        f"## {words['reproduce']}",
        "\n".join(f"- {key}: `{value}`" for key, value in report["provenance"].items() if value),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def cell(figures: dict[str, Any], key: str) -> str:
    """A figure with its interval."""
    interval = figures.get(f"{key}_interval")
    text = percent(figures[key])
    if figures[key] is None or interval is None:
        return text
    return f"{text} [{100 * interval[0]:.0f}–{100 * interval[1]:.0f}]"


def grid(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_safe(c) for c in line) + " |" for line in lines)


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _confidence(report: dict[str, Any], words: dict[str, str]) -> list[str]:
    found = report["confidence"]
    if not found:
        return []
    rows = []
    for name, row in [(words["combined"], found["combined"]), *found["signals"].items()]:
        rows.append(
            [name, *("–" if row[k] is None else f"{row[k]:.3f}" for k in ("auroc", "aurc", "prr"))]
        )
    return [
        f"## {words['confidence_title']}",
        grid([words["signal"], "AUROC", "AURC", "PRR"], rows),
    ]


def _routing(report: dict[str, Any], words: dict[str, str], names: dict[str, str]) -> list[str]:
    keys = ("distraction", "lost", "rescue", "citation_support", "unsupported")
    rows = [
        [
            names.get(name, name),
            *(f"{percent(r[k]['value'])} (n = {r[k]['n']})" if k in r else "–" for k in keys),
        ]
        for name, r in report["routing"].items()
    ]
    if not rows:
        return []
    return [f"## {words['routing']}", grid([words["arm"], *(words[k] for k in keys)], rows)]


def _breakdown(report: dict[str, Any], words: dict[str, str], names: dict[str, str]) -> list[str]:
    parts = []
    shown = [n for n in ("base", "calibrated", "calibrated_fallback") if n in report["arms"]]
    for dimension, slices in report["breakdown"].items():
        head = ["", "n"]
        for arm in shown:
            head += [f"{names[arm]}: {words[key]}" for key in ("precision", "coverage")]
        rows = []
        for name, cut in slices.items():
            row = [name, str(cut["n"])]
            for arm in shown:
                row += [cell(cut["arms"][arm], key) for key in ("precision", "coverage")]
            rows.append(row)
        parts += [f"## {words['by_' + dimension]}", grid(head, rows)]
    return parts
