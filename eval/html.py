"""The report as one HTML page: style, pictures and script inside, nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.charts import (
    colour,
    cost_chart,
    reliability_chart,
    risk_coverage_chart,
    training_charts,
)
from eval.headline import (
    ablation_line,
    arm_names,
    certificate_line,
    facts_line,
    gained_line,
    headline,
)
from eval.language_pack import language_pack
from eval.percent import p_text, percent, percent_range, signed_percent
from kg_builder.question import Language
from kg_builder.relation import Catalogue

FOLDER = Path(__file__).parent / "templates"

COLUMNS = (
    "precision",
    "coverage",
    "accuracy",
    "hallucination",
    "known_kept",
    "over_refusal",
    "retrieval_rate",
)
COUNTED = ("n", "answered", "correct", "wrong", "ambiguous", "refused", "unscored", "retrieved")
MORE = (
    "refusal",
    "prudence",
    "honesty",
    "truthfulness",
    "truthful_rate",
    "refusal_precision",
    "refusal_recall",
    "refusal_f1",
)
COMPARED = ("precision", "coverage", "accuracy", "hallucination", "over_refusal", "ths")
BARS = ("calibrated_fallback", "calibrated", "base")  # of the maps, the first two that there are
SHOWN_SLICES = 24  # of a dimension; smaller ones are folded away
TOLERANCE = 0.01  # of coverage that the chooser gives up for fewer retrievals
WANTED = (0.7, 0.8, 0.9, 0.95, 0.97, 0.99)


@lru_cache
def environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def html(report: dict[str, Any], language: Language = "en") -> str:
    """The page of a report (eval.report), in the words of ``language``."""
    words = {"n": "n", **language_pack(language).report}
    names, explained = arm_names(words, report["arms"])
    arms = list(report["arms"].items())
    if report["oracle"]:
        arms.append(("oracle", report["oracle"]))
    confidence = report["confidence"]
    choices, points = chooser(report, words)
    bars = [name for name in BARS if name in report["arms"]][:2]
    cost = cost_chart(report, words)
    return (
        environment()
        .get_template("report.html")
        .render(
            language=language,
            words=words,
            names=names,
            explained=explained,
            title=report["title"] or words["title"],
            style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
            headline=headline(report, words),
            facts=facts_line(report, words),
            pct=percent,
            span=percent_range,
            p_text=p_text,
            shown_slices=SHOWN_SLICES,
            tolerance=TOLERANCE,
            signed=signed_percent,
            colour=colour,
            arms=arms,
            columns=[(key, words[key]) for key in COLUMNS],
            counted=COUNTED,
            more=MORE,
            costs=report["prices"] is not None,
            risk_chart=risk_coverage_chart(report, words, names),
            cost_chart=cost,
            certificate=certificate_line(report, words),
            chooser=bool(choices),
            choices=choices,
            chooser_json=Markup(json.dumps(points).replace("<", "\\u003c")),
            confidence=_signals(confidence, words),
            reliability=reliability_chart(report, words),
            calibration_line=_calibration(confidence, words),
            routing=list(report["routing"].items()),
            differences=report["differences"],
            compared=COMPARED,
            gained=report["gained"],
            gained_line=gained_line(report, words),
            ablation_line=ablation_line(report, words),
            training=training_charts(report, words),
            breakdown=_maps(report, bars, language),
            bar_names=words["bar_names"].format(names=" / ".join(names[b] for b in bars)),
            audit=report["audit"],
            audit_arms=_audit_arms(report["audit"]),
            judge=report["judge"],
            samples=report["samples"],
            origin=origin(report),
        )
    )


def chooser(
    report: dict[str, Any], words: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """For wanted precisions the largest coverage that has them, and the points to choose from."""
    curves = report["curves"]
    if "calibrated" not in curves:
        return [], {}
    points = {"alone": curves["calibrated"], "together": curves.get("calibrated_fallback")}
    rows = [
        {
            "wanted": wanted,
            "alone": _choice(points["alone"], wanted, words, cost=False),
            "together": _choice(points["together"] or [], wanted, words, cost=True),
        }
        for wanted in WANTED
    ]
    return rows, points


def _choice(
    points: Sequence[dict[str, Any]], wanted: float, words: dict[str, str], *, cost: bool
) -> str:
    fitting = [p for p in points if p["precision"] is not None and p["precision"] >= wanted]
    if not fitting:
        return words["unreachable"]
    most = max(p["coverage"] for p in fitting) - TOLERANCE
    close = [p for p in fitting if p["coverage"] >= most]
    best = min(close, key=lambda p: (p["retrieval_rate"], -p["coverage"]))
    text = words["choice_coverage"].format(
        coverage=percent(best["coverage"]), precision=percent(best["precision"])
    )
    if cost:
        text += words["choice_cost"].format(retrieval=percent(best["retrieval_rate"]))
    return text


def _signals(
    confidence: dict[str, Any] | None, words: dict[str, str]
) -> list[tuple[str, dict[str, Any]]]:
    if confidence is None:
        return []
    return [(words["combined"], confidence["combined"]), *confidence["signals"].items()]


def _calibration(confidence: dict[str, Any] | None, words: dict[str, str]) -> str:
    if confidence is None:
        return ""
    return words["calibration_line"].format(
        n=confidence["n"], ece=f"{confidence['ece']:.3f}", brier=f"{confidence['brier']:.3f}"
    )


@lru_cache
def catalogue() -> Catalogue:
    return Catalogue.load()


def relation_name(relation: str, language: Language) -> str:
    """What the built-in catalogue calls a relation; of the user's own, and of other sets, its id."""
    found = catalogue().find(relation)
    return relation if found is None else str(getattr(found, language))


def _maps(
    report: dict[str, Any], bars: Sequence[str], language: Language
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Per dimension and slice a bar for each of two arms, in per cent of the slice's questions."""
    found = []
    for dimension, slices in report["breakdown"].items():
        rows = []
        for name, cut in slices.items():
            rows.append(
                {
                    "name": relation_name(name, language) if dimension == "relation" else name,
                    "n": cut["n"],
                    "bars": [_bar(arm, cut["arms"][arm]) for arm in bars],
                }
            )
        found.append((dimension, rows))
    return found


def _bar(arm: str, figures: dict[str, Any]) -> dict[str, Any]:
    shares = {
        part: round(100 * (figures[key] or 0), 1)
        for part, key in (("right", "accuracy"), ("wrong", "hallucination"), ("refused", "refusal"))
    }
    precision = percent(figures["precision"])
    return {**shares, "title": f"{arm}: {precision} / {percent(figures['coverage'])}"}


def _audit_arms(audit: dict[str, Any] | None) -> list[str]:
    if not audit:
        return []
    return list(dict.fromkeys(arm for s in audit["slices"].values() for arm in s["arms"]))


def origin(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Provenance and settings as lines."""
    lines = {**report["provenance"], "settings": report["settings"]}
    return [(key, _plain(value)) for key, value in lines.items() if value not in (None, "", {})]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} = {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)
