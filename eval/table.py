"""The table of an evaluation: one JSON-able object, and the same for a terminal.

{n, known, unknown, point, arms: {name: figures}, oracle, routing, differences, confidence, gained, ablation}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import weights
from eval.cost import Prices, usage
from eval.figures import arm_figures, entity_of, latency_figures
from eval.metrics import FIGURES
from eval.oracle import oracle
from eval.ranking import ranking_figures
from eval.result import EvaluationResult
from eval.routing import routing_figures
from eval.significance import mcnemar, paired_difference
from training.signals import confidence_of

if TYPE_CHECKING:
    from rich.console import Console

# Pairs whose difference is the point of the experiment: what the first lacks and the second has.
PAIRS = (
    ("base", "refusal_phrase"),
    ("prompt_only", "refusal_phrase"),
    ("refusal_phrase", "calibrated"),
    ("calibrated", "calibrated_fallback"),
    ("base", "calibrated_fallback"),
    ("always_retrieve", "calibrated_fallback"),
)
COMPARED = ("precision", "coverage", "accuracy", "hallucination", "over_refusal", "ths")


def table(result: EvaluationResult, prices: Prices | None = None) -> dict[str, Any]:
    """Every figure of ``result``, each with its interval."""
    settings = result.settings
    clusters = [entity_of(q) for q in result.questions]
    draws = weights(clusters, settings.resamples, settings.seed)
    rows = {name: result.rows(arm) for name, arm in result.arms.items()}
    base = result.arms.get("base")
    arms = {
        name: {
            **arm_figures(rows[name], clusters, draws, confidence=settings.confidence),
            **latency_figures(arm.latencies_ms, confidence=settings.confidence),
            **usage(
                arm.records,
                draws,
                prices,
                None if base is None else base.records,
                confidence=settings.confidence,
            ),
        }
        for name, arm in result.arms.items()
    }
    best = oracle(result)
    return {
        "n": len(result.questions),
        "known": sum(k is True for k in result.known),
        "unknown": sum(k is False for k in result.known),
        "set_aside": sum(k is None for k in result.known),
        "left_out": result.left_out,
        "point": None if result.point is None else result.point.model_dump(mode="json"),
        "arms": arms,
        "oracle": best
        and arm_figures(result.rows(best), clusters, draws, confidence=settings.confidence),
        "routing": {
            name: found for name in arms if (found := routing_figures(result, name)) is not None
        },
        "differences": _differences(result, rows, draws),
        "confidence": _confidence(result, draws),
        "gained": gained(result),
        "ablation": _ablation(result, arms, draws),
    }


def _differences(
    result: EvaluationResult, rows: dict[str, NDArray[np.float64]], draws: NDArray[np.float64]
) -> list[dict[str, Any]]:
    found = []
    for first, second in PAIRS:
        if first not in rows or second not in rows:
            continue
        entry: dict[str, Any] = {"from": first, "to": second}
        for name in COMPARED:
            value, interval = paired_difference(
                FIGURES[name],
                rows[first],
                rows[second],
                draws,
                confidence=result.settings.confidence,
            )
            entry[name] = value if np.isfinite(value) else None
            entry[f"{name}_interval"] = interval
        test = mcnemar(
            *([r.verdict == "correct" for r in result.arms[a].records] for a in (first, second))
        )
        entry["correct"] = test._asdict()
        found.append(entry)
    return found


def _confidence(result: EvaluationResult, draws: NDArray[np.float64]) -> dict[str, Any] | None:
    """How the confidence ranks the model's best answers to all questions, refused ones included: the
    combined one first, then every signal by itself. None where the attempts are not known."""
    right = result.attempts_right()
    if right is None:
        return None
    level = result.settings.confidence
    combined = ranking_figures(
        [a.confidence for a in result.attempts],
        right,
        draws,
        confidence_level=level,
        probability=True,
    )
    names = list(dict.fromkeys(name for a in result.attempts for name in a.signals))
    signals = {
        name: ranking_figures(
            [confidence_of(name, a.signals[name]) for a in result.attempts],
            right,
            draws[:200],
            confidence_level=level,
        )
        for name in names
        if all(name in a.signals for a in result.attempts)
    }
    # The phrase as a signal of its own: it answers, or it refuses.
    signals["refusal_phrase"] = ranking_figures(
        [0.0 if a.refused else 1.0 for a in result.attempts],
        right,
        draws[:200],
        confidence_level=level,
    )
    return {**combined, "combined": combined, "signals": signals}


def gained(result: EvaluationResult) -> dict[str, Any] | None:
    """What the base had wrong and the tuned model, by its own words, has right (the article's Franklin),
    and the reverse; under the plain prompt of the base arm and under the same prompt."""
    tuned = result.arms.get("refusal_phrase")
    against = [name for name in ("base", "prompt_only") if name in result.arms]
    if tuned is None or not against:
        return None
    found: dict[str, Any] = {}
    for name in against:
        base = result.arms[name]
        right = [[r.verdict == "correct" for r in arm.records] for arm in (base, tuned)]
        test = mcnemar(*right)
        rows = [
            {
                "question": q.text,
                "gold": q.gold.text,
                "base": b.text,
                "tuned": t.text,
            }
            for q, b, t in zip(result.questions, base.records, tuned.records, strict=True)
            if t.verdict == "correct" and b.verdict in ("wrong", "ambiguous", "refused")
        ]
        wrong = sum(r.verdict in ("wrong", "ambiguous") for r in base.records)
        found[name] = {
            "base_wrong": wrong,
            "gained": test.gained,
            "lost": test.lost,
            "p_value": test.p_value,
            "examples": rows[: result.settings.examples],
        }
    return {**found[against[0]], "against": found}


def _ablation(
    result: EvaluationResult, arms: dict[str, Any], draws: NDArray[np.float64]
) -> dict[str, Any] | None:
    """Tuned on its own answers, and on answers of one fixed form: both by their own words."""
    if result.ablation is None or "refusal_phrase" not in arms:
        return None
    rows = result.rows(result.ablation)
    own = result.rows(result.arms["refusal_phrase"])
    clusters = [entity_of(q) for q in result.questions]
    fixed = arm_figures(rows, clusters, draws, confidence=result.settings.confidence)
    difference = {}
    for name in COMPARED:
        value, interval = paired_difference(FIGURES[name], rows, own, draws)
        difference[name] = value if np.isfinite(value) else None
        difference[f"{name}_interval"] = interval  # type: ignore[assignment]
    return {"own_answers": arms["refusal_phrase"], "fixed_form": fixed, "difference": difference}


# ---- for a terminal --------------------------------------------------------------------------------

SHOWN = (
    ("precision", "precision"),
    ("coverage", "coverage"),
    ("accuracy", "accuracy"),
    ("hallucination", "hallucin."),
    ("known_kept", "known\nkept"),
    ("over_refusal", "over-\nrefusal"),
    ("retrieval_rate", "retrieved"),
)


def percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "–"
    text = f"{100 * value:.1f}"
    return text if interval is None else f"{text}\n{100 * interval[0]:.0f}–{100 * interval[1]:.0f}"


def milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def render(table: dict[str, Any], console: Console) -> None:
    """Print the table: one row an arm, percentages with their intervals."""
    from rich.table import Table

    grid = Table(
        title=f"{table['n']} questions: {table['known']} known to the base, "
        f"{table['unknown']} unknown · in %, interval below",
        title_justify="left",
    )
    grid.add_column("arm", no_wrap=True)
    for _, title in SHOWN:
        grid.add_column(title, justify="right")
    grid.add_column("THS", justify="right")
    grid.add_column("p50, p95\nms", justify="right")
    for name, arm in table["arms"].items():
        grid.add_row(
            name,
            *(percent(arm[key], arm[f"{key}_interval"]) for key, _ in SHOWN),
            percent(arm["ths"]),
            f"{milliseconds(arm['p50_ms'])}\n{milliseconds(arm['p95_ms'])}",
        )
    best = table.get("oracle")
    if best:
        grid.add_row(
            "oracle routing",
            *(percent(best[key], best[f"{key}_interval"]) for key, _ in SHOWN),
            percent(best["ths"]),
            "–",
            style="dim",
        )
    console.print(grid)
    console.print(_words(table), soft_wrap=True)


def _words(table: dict[str, Any]) -> str:
    lines = []
    confidence, point = table["confidence"] or {}, table["point"]
    ranked = [
        f"{title} {confidence[key]:.3f}"
        for key, title in (("auroc", "AUROC"), ("aurc", "AURC"))
        if confidence.get(key) is not None
    ]
    if ranked:
        lines.append(f"Confidence: {', '.join(ranked)} (n = {confidence['n']}).")
    if point is None:
        return "\n".join(lines)
    promise = (
        f"precision ≥ {point['target_precision']:g} certified (δ = {point['delta']:g}, n = {point['n']})"
        if point["certified"]
        else "not certified"
    )
    lines.append(f"Operating point {point['name']}: {promise}.")
    found = table.get("gained")
    if found:
        lines.append(
            f"Of {found['base_wrong']} questions that the base had wrong the tuned model has "
            f"{found['gained']} right; {found['lost']} the other way round."
        )
    ablation = table.get("ablation")
    if ablation:
        own, fixed = (ablation[k] for k in ("own_answers", "fixed_form"))
        lines.append(
            f"Tuned on own answers: {percent(own['known_kept'])}% of the known kept at precision "
            f"{percent(own['precision'])}%; on answers of a fixed form: "
            f"{percent(fixed['known_kept'])}% at {percent(fixed['precision'])}%."
        )
    return "\n".join(lines)
