"""The model card of a bundle: what it is, what was measured, what it promises and what not."""

from __future__ import annotations

from collections.abc import Iterator

from training.bundle import BundleSpec
from training.certificate import questions_needed

CARD = """---
library_name: peft
base_model: {base}
language: [{languages}]
tags: [abstention, selective-prediction, zhizhi]
---
# {name}

A refusal-calibrated adapter: the model answers what it is sure of and says 「{refusal}…」 to the rest.
Made by Zhizhi 知之 on {created} on the base model `{base}`{fingerprint}.

## Prompt

```
{prompt}
```

## Calibration

Fitted on {n_fitting} questions, certified on {n_certifying} others, whose entities are in neither the
training nor the test questions. Accuracy of the best answers with the refusal suppressed: {accuracy:.3f}.

| AUROC | AURC | ECE | Brier |
|---|---|---|---|
| {auroc:.3f} | {aurc:.3f} | {ece:.3f} | {brier:.3f} |

AUROC of each signal alone: {alone}.

## Operating points

A certified point promises that the precision of the given answers is at least the target, with probability
1 − δ over the draw of the certifying entities, for questions of the same kind. It promises nothing for
questions of another kind. Subjects of a closed popularity band (1: least known) are never answered directly.
An uncertified point is the best guess on the calibration questions.

| name | target | threshold | certified | answers it rests on | coverage | closed bands | δ |
|---|---|---|---|---|---|---|---|
{points}
{lacking}{routed}"""
ROUTED = """
## Both routes, over `{evidence}`

Certified together with the answers retrieved from that index by its reader; a part of the point's δ goes to
either route, so that every mixture of them keeps the target. Where no threshold for retrieved answers is
given, that of the reader's own calibration binds them.

| name | target | certified | direct from | coverage | closed bands | retrieved from | answers it rests on |
|---|---|---|---|---|---|---|---|
{points}
"""


def model_card(spec: BundleSpec) -> str:
    """Markdown with the front matter that model hubs read."""
    language = spec.languages[0]
    figures = spec.figures
    points = "\n".join(
        f"| {p.name} | {p.target_precision:.2f} | {p.threshold:.3f} | {'yes' if p.certified else 'no'} | "
        f"{p.n} | {p.coverage or 0:.3f} | {', '.join(p.closed) or '–'} | {p.delta} |"
        for p in spec.operating_points
    )
    return CARD.format(
        name=spec.name,
        base=spec.base.id,
        languages=", ".join(spec.languages),
        refusal=spec.refusal_prefixes[language],
        created=spec.created[:10],
        fingerprint=f" (fingerprint {spec.base.fingerprint})" if spec.base.fingerprint else "",
        prompt=spec.prompts[language],
        n_fitting=figures["n_fitting"],
        n_certifying=figures["n_certifying"],
        accuracy=figures["accuracy_unrefused"],
        auroc=figures["auroc"],
        aurc=figures["aurc"],
        ece=figures["ece"],
        brier=figures["brier"],
        alone=", ".join(f"{k} {v:.3f}" for k, v in figures["auroc_by_signal"].items()),
        points=points,
        lacking="".join(_lacking(spec)),
        routed="".join(_routed(spec)),
    )


def _routed(spec: BundleSpec) -> Iterator[str]:
    """A table for every index that the bundle was certified with."""
    for evidence, found in spec.routed_points.items():
        rows = []
        for point in found:
            read = point.retrieved
            direct = "never" if point.threshold > 1 else f"{point.threshold:.3f}"
            retrieved = "– | –" if read is None else f"{read.threshold:.3f} | {read.n}"
            rows.append(
                f"| {point.name} | {point.target_precision:.2f} | {'yes' if point.certified else 'no'} | "
                f"{direct} | {point.coverage or 0:.3f} | {', '.join(point.closed) or '–'} | {retrieved} |"
            )
        yield ROUTED.format(evidence=evidence, points="\n".join(rows))


def _lacking(spec: BundleSpec) -> Iterator[str]:
    """What each target that could not be certified would take, a line each."""
    missing = {p.target_precision: p.delta for p in spec.operating_points if not p.certified}
    for target, delta in sorted((t, d) for t, d in missing.items() if t is not None):
        needed = questions_needed(spec.risk_coverage, target, delta)
        if needed is None:
            told = "no threshold reaches it on these questions."
        elif needed <= spec.figures["n_certifying"]:
            told = "some threshold passes in hindsight, but none that was fixed beforehand."
        else:
            told = (
                f"with precision and coverage as observed it would take about {needed:,} certifying "
                "questions."
            )
        yield f"\nA precision of {target:.2f} could not be certified: {told}\n"
