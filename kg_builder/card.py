"""The dataset card of a build: README.md with what ``datasets.load_dataset`` reads at its head."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from kg_builder.browse import sample_lines
from kg_builder.files import write_text
from kg_builder.settings import BuildSettings

SAMPLES = 10
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"),
         (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))  # fmt: skip


def write_card(out: Path, settings: BuildSettings, counts: dict[str, Any]) -> None:
    sections = [
        _front_matter(settings, counts),
        "# Questions from knowledge graphs\n\nEach line of `questions.jsonl` asks for one fact, with "
        "other wordings, every name of the right answer, and its split; the splits share no entity. "
        "`passages.jsonl` tells the same facts as text, for retrieval.",
        _sources(settings, counts),
        *(_language(language, told) for language, told in counts["languages"].items()),
        _drops("Rows left out", counts["rows"]["dropped"]),
        _drops("Values left out", counts["values"]["dropped"]),
        _samples(out),
    ]
    write_text(out / "README.md", "\n\n".join(part for part in sections if part) + "\n")


def _front_matter(settings: BuildSettings, counts: dict[str, Any]) -> str:
    licences = sorted({spec.licence for spec in settings.sources if spec.licence})
    size = next((name for limit, name in SIZES if counts["questions"] < limit), "n>10M")
    lines = [
        "---",
        f"language: [{', '.join(settings.languages)}]",
        "task_categories: [question-answering]",
        f"size_categories: [{size}]",
        *([f"license: {json.dumps(licences, ensure_ascii=False)}"] if licences else []),
        "configs:",
        "- config_name: questions",
        "  data_files: questions.jsonl",
        "  default: true",
    ]
    if settings.passages or settings.documents:
        lines += ["- config_name: passages", "  data_files: passages.jsonl"]
    return "\n".join([*lines, "---"])


def _sources(settings: BuildSettings, counts: dict[str, Any]) -> str:
    lines = ["## Sources", "", "| source | licence | rows | malformed |", "|---|---|--:|--:|"]
    for spec, told in zip(settings.sources, counts["sources"], strict=True):
        bad = sum(entry["count"] for entry in told["malformed"].values())
        licence = spec.licence or ("Apache-2.0" if spec.location == "embedded" else "not stated")
        lines.append(f"| {_cell(told['name'])} | {_cell(licence)} | {told['rows']:,} | {bad:,} |")
    return "\n".join(lines)


def _language(language: str, told: dict[str, Any]) -> str:
    splits = ", ".join(f"{name} {count:,}" for name, count in told["splits"].items())
    relations = ", ".join(
        f"{_cell(name)} {count:,}" for name, count in islice(told["relations"].items(), 20)
    )
    lines = [
        f"## Questions in {language}: {told['questions']:,}",
        "",
        f"Splits: {splits or 'none'}. {len(told['relations'])} relations, the most frequent: "
        f"{relations or 'none'}.",
    ]
    return (
        "\n".join(lines) + "\n\n" + _drops(f"Facts not asked in {language}", told["dropped"], "###")
    )


def _drops(title: str, dropped: dict[str, Any], level: str = "##") -> str:
    if not dropped:
        return ""
    lines = [f"{level} {title}", "", "| reason | count | for example |", "|---|--:|---|"]
    for reason, entry in dropped.items():
        example = _cell(entry["samples"][0]) if entry["samples"] else ""
        lines.append(f"| {_cell(reason)} | {entry['count']:,} | {example} |")
    return "\n".join(lines)


def _samples(out: Path) -> str:
    lines = ["## Samples", "", "| question | answer | split |", "|---|---|---|"]
    for line in sample_lines(out / "questions.jsonl", SAMPLES):
        question = json.loads(line)
        answer = "、".join(names[0] for names in question["gold"]["objects"])
        lines.append(f"| {_cell(question['text'])} | {_cell(answer)} | {question['split']} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").replace("<", "&lt;").split())
