"""Fill the generated parts of docs/benchmarks.md from reports: `zhizhi eval` makes those.

    python docs/make_benchmarks.py embedded=runs/demo/evaluation cmrc2018=runs/demo/evaluation-passages

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. The first report is also set beside the
published figures of docs/published.toml. A part whose report is not named stays as it is.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path
from typing import Any

from eval.gate import read_report
from eval.headline import certificate_line, facts_line, headline
from eval.language_pack import language_pack
from eval.markdown import arms_grid, audit_grid, cell, confidence_grid, grid, routing_grid
from eval.percent import percent
from kg_builder.files import write_text

FOLDER = Path(__file__).parent
PAGE, PUBLISHED = FOLDER / "benchmarks.md", FOLDER / "published.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", nargs="+", metavar="NAME=FOLDER")
    reports = {}
    for text in parser.parse_args().reports:
        name, _, folder = text.partition("=")
        reports[name] = read_report(Path(folder))
    page = PAGE.read_text(encoding="utf-8")
    for name, report in reports.items():
        page = replaced(page, name, measured(report))
    page = replaced(page, "published", beside_published(next(iter(reports.values()))))
    write_text(PAGE, page)


def replaced(page: str, name: str, text: str) -> str:
    """The page with one generated part exchanged. SystemExit where it has no such part."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in page or end not in page:
        raise SystemExit(f"{PAGE.name} has no part {name!r}: put {begin} and {end} into it.")
    before, rest = page.split(begin, 1)
    return f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end, 1)[1]}"


def measured(report: dict[str, Any]) -> str:
    """What one report says: headline, arms, confidence, retrieval, audit, and where it was measured."""
    words = language_pack("en").report
    origin = report["provenance"]
    machine = (
        f"Measured {origin['created'][:10]} ({origin['processor']}, cores: {origin['cores']}), "
        f"bundle `{origin.get('bundle')}`, index `{origin.get('index')}`, questions "
        f"`{origin['questions'][:12]}`"
    )
    seconds = origin.get("seconds")
    if seconds:
        machine += f"; the evaluation took {seconds:.0f} s"
    parts = [
        headline(report, words),
        facts_line(report, words),
        arms_grid(report, words),
        certificate_line(report, words),
        confidence_grid(report, words),
        routing_grid(report, words),
        audit_grid(report, words),
        machine + ".",
    ]
    return "\n\n".join(part for part in parts if part)


def beside_published(report: dict[str, Any]) -> str:
    with PUBLISHED.open("rb") as stream:
        figures = tomllib.load(stream)["figure"]
    rows = [
        [
            f["system"],
            f["data"],
            f["published"],
            re.sub(r"\{([^}]+)\}", lambda m: ours(report, m[1]), f["ours"]),
            f["comparable"],
        ]
        for f in figures
    ]
    return grid(["system", "model, data", "published", "ours, embedded", "comparable?"], rows)


def ours(report: dict[str, Any], name: str) -> str:
    """One figure of a report by its name in published.toml; – where it was not measured."""
    arm, _, figure = name.partition(".")
    figure, _, coverage = figure.partition("@")
    if coverage:
        return at_coverage(report["curves"].get(arm, []), float(coverage))
    figures = report["confidence"] if arm == "confidence" else report["arms"].get(arm)
    if figures is None:
        return "–"
    if arm == "confidence":
        return f"{figures[figure]:.3f}"
    return cell(figures, figure)


def at_coverage(curve: list[dict[str, Any]], coverage: float) -> str:
    """The precision where a curve first covers that much, by the lower bound of its interval too."""
    reached = [p for p in curve if p["coverage"] >= coverage and p["precision"] is not None]
    if not reached:
        return "–"
    point = min(reached, key=lambda p: p["coverage"])
    return f"{percent(point['precision'])} (≥ {percent(point['precision_lower'], 0)})"


if __name__ == "__main__":
    main()
