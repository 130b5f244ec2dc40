"""A report of judged answers as tables: what became of them, why, and how far people agree."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from eval.percent import percent
from kg_builder.matching import REASONS, MatchReport

_AGREEMENT = ("accuracy", "precision", "recall", "passed")


def render_report(report: MatchReport, console: Console) -> None:
    """Print the verdicts with their reasons, the agreement with labels, and both by system."""
    left_out = f", {report.left_out:,} left out" if report.left_out else ""
    verdicts = Table(title=f"{report.n:,} answers judged{left_out}", title_justify="left")
    verdicts.add_column("verdict")
    verdicts.add_column("n", justify="right")
    verdicts.add_column("share", justify="right")
    verdicts.add_column("reasons")
    for verdict, count in report.verdicts.items():
        reasons = (
            f"{reason} {n:,}" for reason, n in report.reasons.items() if REASONS[reason] == verdict
        )
        share = percent(count / report.n if report.n else None)
        verdicts.add_row(verdict, f"{count:,}", share, ", ".join(reasons))
    console.print(verdicts)
    systems = {"all": report, **report.systems}
    if report.agreement is None:
        if report.systems:
            console.print(_by_system(systems))
        return
    console.print(_agreement(systems))
    console.print(
        "accuracy: of the answers that were decided, ambiguous ones apart. precision: of those judged "
        "right, called right by people. recall: of those called right, judged right. passed: of those called "
        "wrong, judged right.",
        soft_wrap=True,
        style="dim",
    )


def _by_system(systems: dict[str, MatchReport]) -> Table:
    grid = Table(title="by system", title_justify="left")
    grid.add_column("system")
    for column in ("n", "right", "wrong", "ambiguous"):
        grid.add_column(column, justify="right")
    for name, one in systems.items():
        counts = (one.verdicts.get(verdict, 0) for verdict in ("right", "wrong", "ambiguous"))
        grid.add_row(name, f"{one.n:,}", *(f"{count:,}" for count in counts))
    return grid


def _agreement(systems: dict[str, MatchReport]) -> Table:
    grid = Table(title="agreement with people", title_justify="left")
    grid.add_column("system")
    grid.add_column("n", justify="right")
    for column in (*_AGREEMENT, "ambiguous"):
        grid.add_column(column, justify="right")
    for name, one in systems.items():
        agreed = one.agreement
        if agreed is not None:
            shares = (percent(getattr(agreed, column)) for column in _AGREEMENT)
            grid.add_row(name, f"{agreed.n:,}", *shares, f"{agreed.ambiguous:,}")
    return grid
