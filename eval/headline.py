"""The sentences of a report: what a reader takes away who reads nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eval.percent import p_text, percent

HEADLINES = (("base", "base"), ("calibrated", "calibrated"), ("calibrated_fallback", "fallback"))


def arm_names(words: dict[str, str], arms: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """What arms are called, and what they do. An arm at another precision or with other sources is named
    for the one that it varies."""
    names = {key[4:]: value for key, value in words.items() if key.startswith("arm_")}
    about = {key[6:]: value for key, value in words.items() if key.startswith("about_")}
    for arm in arms:
        kind, at, precision = arm.partition("@")
        if at:
            names[arm] = words["at_precision"].format(arm=names[kind], precision=precision)
        kind, dash, sources = arm.partition("-")
        if dash:
            names[arm] = words["with_sources"].format(
                arm=names[kind], sources=words[f"sources_{sources}"]
            )
    return names, about


def headline(report: dict[str, Any], words: dict[str, str]) -> str:
    """The answer to the question that is asked of the project: what refusal and retrieval buy."""
    sentences = []
    for arm, key in HEADLINES:
        figures = report["arms"].get(arm)
        if figures is not None and figures["precision"] is not None:
            shares = {
                name: percent(figures[name])
                for name in ("precision", "coverage", "accuracy", "retrieval_rate")
            }
            sentences.append(words[f"headline_{key}"].format(**shares))
    return _joined(sentences)


def facts_line(report: dict[str, Any], words: dict[str, str]) -> str:
    aside = words["set_aside"].format(count=report["set_aside"]) if report["set_aside"] else ""
    line = words["facts"].format(
        n=report["n"],
        known=report["known"],
        unknown=report["unknown"],
        set_aside=aside,
        level=f"{100 * report['settings']['confidence']:g}",
    )
    if report["left_out"]:
        line += words["left_out"].format(count=report["left_out"])
    return line


def certificate_line(report: dict[str, Any], words: dict[str, str]) -> str:
    point = report["point"]
    if point is None:
        return ""
    key = "certificate" if point["certified"] else "uncertified"
    return words[key].format(
        name=point["name"],
        target=percent(point["target_precision"]),
        probability=percent(1 - point["delta"], 0),
        n=point["n"],
    )


def gained_line(report: dict[str, Any], words: dict[str, str]) -> str:
    found = report["gained"]
    if not found:
        return ""
    return words["gained_line"].format(
        wrong=found["base_wrong"],
        gained=found["gained"],
        lost=found["lost"],
        p=p_text(found["p_value"]),
    )


def ablation_line(report: dict[str, Any], words: dict[str, str]) -> str:
    found = report["ablation"]
    if not found:
        return ""
    own, fixed = found["own_answers"], found["fixed_form"]
    return words["ablation_line"].format(
        own=percent(own["known_kept"]),
        fixed=percent(fixed["known_kept"]),
        own_precision=percent(own["precision"]),
        fixed_precision=percent(fixed["precision"]),
    )


def _joined(sentences: list[str]) -> str:
    """Chinese sentences follow each other without a space."""
    text = ""
    for sentence in sentences:
        text += sentence if not text or text[-1] == "。" else f" {sentence}"
    return text
