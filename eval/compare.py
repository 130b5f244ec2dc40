"""Compare: two evaluations on the questions that both asked, arm by arm, with significance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eval.bootstrap import weights
from eval.errors import EvalError
from eval.figures import arm_figures, entity_of
from eval.metrics import FIGURES
from eval.result import ArmResult, EvaluationResult
from eval.significance import mcnemar, paired_difference

if TYPE_CHECKING:
    from rich.console import Console

COMPARED = ("precision", "coverage", "accuracy", "hallucination", "over_refusal", "ths")
LISTED = 10  # questions shown per arm that one run has right and the other has not


def compare(first: EvaluationResult, second: EvaluationResult) -> dict[str, Any]:
    """{n, only_first, only_second, arms: {arm: {first, second, difference, correct, changed}}}

    Questions are the same when id, text and gold are; what the base knows is taken from the first run, so
    that both are measured by one rule. Raises EvalError where nothing is shared.
    """
    keys = [(q.id, q.text, q.gold) for q in first.questions]
    place = {(q.id, q.text, q.gold): i for i, q in enumerate(second.questions)}
    shared = [(i, place[key]) for i, key in enumerate(keys) if key in place]
    if not shared:
        raise EvalError("The two evaluations share no question; there is nothing to compare.")
    names = [name for name in first.arms if name in second.arms]
    if not names:
        raise EvalError(
            f"The two evaluations share no arm: {', '.join(first.arms)} and {', '.join(second.arms)}."
        )
    ours, theirs = (
        _cut(result, [pair[side] for pair in shared]) for side, result in ((0, first), (1, second))
    )
    theirs.known = ours.known
    settings = first.settings
    clusters = [entity_of(q) for q in ours.questions]
    draws = weights(clusters, settings.resamples, settings.seed)
    return {
        "n": len(shared),
        "only_first": len(first.questions) - len(shared),
        "only_second": len(second.questions) - len(shared),
        "confidence": settings.confidence,
        "arms": {name: _arm(name, ours, theirs, draws) for name in names},
    }


def _cut(result: EvaluationResult, chosen: list[int]) -> EvaluationResult:
    return EvaluationResult(
        questions=[result.questions[i] for i in chosen],
        known=[result.known[i] for i in chosen],
        arms={
            name: ArmResult(
                name=name,
                records=[arm.records[i] for i in chosen],
                latencies_ms=arm.latencies_ms,
            )
            for name, arm in result.arms.items()
        },
        settings=result.settings,
    )


def _arm(
    name: str, first: EvaluationResult, second: EvaluationResult, draws: np.ndarray[Any, Any]
) -> dict[str, Any]:
    level = first.settings.confidence
    clusters = [entity_of(q) for q in first.questions]
    rows = [result.rows(result.arms[name]) for result in (first, second)]
    right = [
        [r.verdict == "correct" for r in result.arms[name].records] for result in (first, second)
    ]
    difference: dict[str, Any] = {}
    for figure in COMPARED:
        value, interval = paired_difference(FIGURES[figure], *rows, draws, confidence=level)  # type: ignore[arg-type, misc]
        difference[figure] = value if np.isfinite(value) else None
        difference[f"{figure}_interval"] = interval
        difference[f"{figure}_significant"] = bool(
            interval is not None and (interval[0] > 0 or interval[1] < 0)
        )
    changed = [
        {
            "question": question.text,
            "gold": question.gold.text,
            "first": a.text,
            "second": b.text,
            "verdicts": [a.verdict, b.verdict],
        }
        for question, a, b in zip(
            first.questions, first.arms[name].records, second.arms[name].records, strict=True
        )
        if a.verdict != b.verdict and "correct" in (a.verdict, b.verdict)
    ]
    return {
        "first": arm_figures(rows[0], clusters, draws, confidence=level),
        "second": arm_figures(rows[1], clusters, draws, confidence=level),
        "difference": difference,
        "correct": mcnemar(*right)._asdict(),
        "changed": changed[:LISTED],
    }


def render_comparison(
    comparison: dict[str, Any], console: Console, names: tuple[str, str] = ("A", "B")
) -> None:
    """Print both runs side by side; a difference whose interval leaves out zero has a star."""
    from rich.table import Table

    from eval.table import percent

    grid = Table(
        title=f"{comparison['n']} questions in both · {names[0]} → {names[1]}, difference "
        "[95% interval], * leaves out zero",
        title_justify="left",
    )
    grid.add_column("arm", no_wrap=True)
    for figure in COMPARED:
        grid.add_column(figure.replace("_", " "), justify="right")
    grid.add_column("right: gained / lost, p", justify="right")
    for name, arm in comparison["arms"].items():
        cells = []
        for figure in COMPARED:
            pair = f"{percent(arm['first'][figure])} → {percent(arm['second'][figure])}"
            change = percent(arm["difference"][figure], arm["difference"][f"{figure}_interval"])
            star = "*" if arm["difference"][f"{figure}_significant"] else ""
            cells.append(f"{pair}\n{change}{star}")
        test = arm["correct"]
        cells.append(f"{test['gained']} / {test['lost']}\np = {test['p_value']:.3g}")
        grid.add_row(name, *cells)
    console.print(grid)
