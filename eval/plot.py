"""The risk–coverage picture: the curve of the confidence, and every arm as a point on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.selective import risk_coverage

if TYPE_CHECKING:
    from eval.result import EvaluationResult


def draw_risk_coverage(result: EvaluationResult, path: Path, table: dict[str, Any]) -> None:
    """Write a PNG: risk against coverage for the confidence, arms with their Wilson intervals."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    right = result.attempts_right()
    curve = [] if right is None else risk_coverage([a.confidence for a in result.attempts], right)
    figure, axis = plt.subplots(figsize=(7, 4.6))
    axis.plot([p.coverage for p in curve], [p.risk for p in curve], c="C0", label="by confidence")
    for i, (name, arm) in enumerate(table["arms"].items()):
        if arm["precision"] is None:
            continue
        risk = 1 - arm["precision"]
        low, high = arm["precision_interval"]
        axis.errorbar(
            arm["coverage"],
            risk,
            yerr=[[max(0.0, risk - (1 - high))], [max(0.0, (1 - low) - risk)]],
            fmt="o",
            ms=5,
            capsize=3,
            c=f"C{i + 1}",
            label=name,
        )
    axis.set_xlim(0, 1.02)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("coverage: share of the questions answered")
    axis.set_ylabel("risk: share of the answers that are wrong")
    axis.set_title(f"Risk–coverage on {table['n']} held-out questions")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=140)
    plt.close(figure)
