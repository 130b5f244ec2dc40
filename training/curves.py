"""The four curves of the experiment: answered, refused, correct and accuracy while the model is tuned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Question
from training.intervals import clustered_wilson, tally
from training.label import verdict


class CurveRow(BaseModel):
    """One point of the curves: one question set at one step.

    ``accuracy`` is correct / answered (the article's name for precision), with its 95% Wilson interval,
    which counts by entity.
    ``over_refusal`` is the share of the questions known to the base that are now refused; ``known_kept``
    the share of them still answered rightly; ``gained`` counts questions that the base had wrong and that
    are now right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: str
    step: int
    n: int
    answered: int
    refused: int
    correct: int
    accuracy: float | None
    accuracy_interval: tuple[float, float]
    over_refusal: float | None
    known_kept: float | None
    refusal_recall: float | None
    gained: int
    ths: float | None


def curve_row(
    name: str,
    step: int,
    questions: Sequence[Question],
    texts: Sequence[str],
    known: dict[str, bool],
) -> CurveRow:
    """Judge the answers ``texts``; ``known`` says by question id what the base model had right."""
    verdicts = [verdict(q, text) for q, text in zip(questions, texts, strict=True)]
    n = len(questions)
    answered = sum(v != "refused" for v in verdicts)
    correct = sum(v == "right" for v in verdicts)
    of_known = [v for q, v in zip(questions, verdicts, strict=True) if known.get(q.id) is True]
    of_unknown = [v for q, v in zip(questions, verdicts, strict=True) if known.get(q.id) is False]
    return CurveRow(
        set=name,
        step=step,
        n=n,
        answered=answered,
        refused=n - answered,
        correct=correct,
        accuracy=correct / answered if answered else None,
        accuracy_interval=clustered_wilson(
            tally(
                [v == "right" for v in verdicts if v != "refused"],
                [
                    q.subject_id or q.id
                    for q, v in zip(questions, verdicts, strict=True)
                    if v != "refused"
                ],
            )
        ),
        over_refusal=_share(of_known, "refused"),
        known_kept=_share(of_known, "right"),
        refusal_recall=_share(of_unknown, "refused"),
        gained=of_unknown.count("right"),
        ths=_ths(len(of_known), len(of_unknown), correct, answered - correct, n),
    )


def _share(verdicts: Sequence[str], which: str) -> float | None:
    return verdicts.count(which) / len(verdicts) if verdicts else None


def _ths(base_right: int, base_wrong: int, right: int, wrong: int, n: int) -> float | None:
    """Truthful helpfulness score (CRaFT, AAAI 2025): Pc₂ − Pw₂ · Pc₁ / Pw₁."""
    if not base_wrong or not n:
        return None
    return right / n - wrong / n * base_right / base_wrong


def draw_curves(rows: Sequence[CurveRow], path: Path, *, title: str = "") -> None:
    """One panel per question set: answered, refused and correct as counts, accuracy with its interval."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sets = list(dict.fromkeys(row.set for row in rows))
    figure, axes = plt.subplots(1, len(sets), figsize=(6 * len(sets), 4.2), squeeze=False)
    for axis, name in zip(axes[0], sets, strict=True):
        own = [row for row in rows if row.set == name]
        steps = [row.step for row in own]
        for key, colour in (("answered", "C0"), ("refused", "C7"), ("correct", "C2")):
            axis.plot(steps, [getattr(row, key) for row in own], "-o", ms=3, c=colour, label=key)
        axis.set_xlabel("training step")
        axis.set_ylabel("questions")
        axis.set_title(f"{name} (n = {own[0].n})")
        right = axis.twinx()
        right.plot(steps, [row.accuracy for row in own], "-s", ms=3, c="C3", label="accuracy")
        low, high = zip(*(row.accuracy_interval for row in own), strict=True)
        right.fill_between(steps, low, high, color="C3", alpha=0.15)
        right.set_ylim(0, 1)
        right.set_ylabel("accuracy of the given answers")
        lines = [*axis.get_lines(), *right.get_lines()]
    # One legend below all panels, where it hides no point.
    names = [str(line.get_label()) for line in lines]
    figure.legend(lines, names, loc="lower center", ncols=len(lines), frameon=False)
    if title:
        figure.suptitle(title)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=140)
    plt.close(figure)
