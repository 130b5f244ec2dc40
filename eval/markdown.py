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
from eval.percent import percent, percent_range
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
    """Headline, table of arms, confidence, routing, robustness and breakdowns."""
    words = language_pack(language).report
    parts = [
        f"# {report['title'] or words['title']}",
        headline(report, words),
        facts_line(report, words),
        f"## {words['arms']}",
        arms_grid(report, words),
        words["arms_note"],
        certificate_line(report, words),
        gained_line(report, words),
        ablation_line(report, words),
        *_titled(words["confidence_title"], confidence_grid(report, words)),
        *_titled(words["routing"], routing_grid(report, words)),
        *_titled(words["audit"], audit_grid(report, words)),
        *_breakdown(report, words),
        f"## {words['reproduce']}",
        "\n".join(f"- {key}: `{value}`" for key, value in report["provenance"].items() if value),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _titled(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def arms_grid(report: dict[str, Any], words: dict[str, str]) -> str:
    """One row an arm, the oracle last."""
    names, _ = arm_names(words, report["arms"])
    arms = dict(report["arms"])
    if report["oracle"]:
        arms["oracle"] = report["oracle"]
    rows = []
    name: str
    for name, arm in arms.items():
        timed = arm.get("p50_ms") is not None
        latency = f"{arm['p50_ms']:.0f} / {arm['p95_ms']:.0f} ms" if timed else "–"
        rows.append([names.get(name, name), *(cell(arm, key) for key in SHOWN), latency])
    return grid([words["arm"], *(words[key] for key in SHOWN), words["latency"]], rows)


def cell(figures: dict[str, Any], key: str) -> str:
    """A figure with its interval."""
    interval = figures.get(f"{key}_interval")
    text = percent(figures[key])
    if figures[key] is None or interval is None:
        return text
    return f"{text} [{percent_range(interval)[:-1]}]"


def grid(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_safe(c) for c in line) + " |" for line in lines)


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def confidence_grid(report: dict[str, Any], words: dict[str, str]) -> str:
    """How the confidence and each of its signals rank; blank where the attempts are not known."""
    found = report["confidence"]
    if not found:
        return ""
    rows = []
    for name, row in [(words["combined"], found["combined"]), *found["signals"].items()]:
        rows.append(
            [name, *("–" if row[k] is None else f"{row[k]:.3f}" for k in ("auroc", "aurc", "prr"))]
        )
    return grid([words["signal"], "AUROC", "AURC", "PRR"], rows)


def routing_grid(report: dict[str, Any], words: dict[str, str]) -> str:
    """What retrieval buys and costs, one row an arm that retrieves; blank where none does."""
    names, _ = arm_names(words, report["arms"])
    keys = ("distraction", "lost", "rescue", "citation_support", "unsupported")
    rows = [
        [
            names.get(name, name),
            *(f"{percent(r[k]['value'])} (n = {r[k]['n']})" if k in r else "–" for k in keys),
        ]
        for name, r in report["routing"].items()
    ]
    return grid([words["arm"], *(words[k] for k in keys)], rows) if rows else ""


def audit_grid(report: dict[str, Any], words: dict[str, str]) -> str:
    """One row a slice: accuracy and precision where an answer is wanted, else the share refused; blank
    without an audit."""
    audit = report["audit"]
    if not audit:
        return ""
    names, _ = arm_names(words, report["arms"])
    arms = list(dict.fromkeys(arm for s in audit["slices"].values() for arm in s["arms"]))
    rows = []
    for name, found in audit["slices"].items():
        keys = ("refusal",) if found["expect"] == "refusal" else ("accuracy", "precision")
        row = [words.get(f"slice_{name}", name), str(found["n"])]
        for arm in arms:
            figures = found["arms"][arm]
            row.append(", ".join(f"{words[key]} {_share(figures[key])}" for key in keys))
        rows.append(row)
    for attack, figures in (audit["injected"] or {}).items():
        said = [f"{words[key]} {_share(figures[key])}" for key in ("attack_success", "accuracy")]
        blank = [""] * (len(arms) - 1)
        count = str(figures["attack_success"]["n"])
        rows.append([words[f"injected_{attack}"], count, *blank, ", ".join(said)])
    return grid([words["slice"], "n", *(names.get(arm, arm) for arm in arms)], rows)


def _share(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "–"
    return f"{percent(found['value'])} [{percent_range(found['interval'])[:-1]}]"


def _breakdown(report: dict[str, Any], words: dict[str, str]) -> list[str]:
    parts = []
    names, _ = arm_names(words, report["arms"])
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
