"""Rehearsal: which unknown questions does the model come to answer merely by being tuned?

Tuning on its own right answers shifts what a model says. Unknown questions that it then gets right were
labelled by a state of knowledge that will be gone: a refusal taught on them is over-refusal in the making
(the dynamic conflict of CRaFT, Zhu et al., AAAI 2025). They are set aside.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.question import Question
from training.errors import TrainingError
from training.label import Label, LabelSettings, label
from training.mix import MixSettings, TuningExample, write_examples
from training.probe import ProbeSettings, probe
from training.sft_settings import SFTSettings
from training.split import ALONE, Split

if TYPE_CHECKING:
    from training.engine.loading import Loading

REASON = "learnt in the rehearsal"
SET = "rehearsal"


class RehearsalSettings(BaseModel):
    """How the rehearsal is held, and what counts as a gain."""

    model_config = ConfigDict(extra="forbid")

    known: int | None = Field(200, ge=1)  # known questions that are rehearsed; None: all
    gain: float = Field(0.0, ge=0, lt=1)  # P(correct) must rise by more than this to be set aside
    seed: int = 0


def rehearsal_examples(
    questions: Sequence[Question], labels: Sequence[Label], settings: RehearsalSettings
) -> list[TuningExample]:
    """Known questions with the model's own answers, nothing else."""
    by_id = {q.id: q for q in questions}
    known = sorted(
        (one for one in labels if one.known and one.question_id in by_id),
        key=lambda one: one.question_id,
    )
    if not known:
        raise TrainingError(
            f"None of the {len(labels)} training questions is known to the model: there is nothing to "
            "rehearse. Use a graph whose facts it knows in part."
        )
    rng = random.Random(settings.seed)
    chosen = rng.sample(known, min(settings.known or len(known), len(known)))
    return [
        example
        for one in chosen
        for example in write_examples(by_id[one.question_id], one, MixSettings(), rng)
    ]


def without_gains(
    labels: Sequence[Label], after: Mapping[str, float], gain: float = 0.0
) -> list[Label]:
    """Set the unknown questions aside whose P(correct) rose by more than ``gain``.

    ``after`` holds P(correct) after the rehearsal by question id; questions not in it are left alone.
    """
    return [
        one.model_copy(update={"known": None, "reason": REASON})
        if one.known is False and after.get(one.question_id, 0.0) - one.p_correct > gain
        else one
        for one in labels
    ]


def rehearse(
    base: str | Path,
    questions: Sequence[Question],
    labels: Sequence[Label],
    out: Path,
    *,
    sft: SFTSettings,
    probing: ProbeSettings,
    judging: LabelSettings,
    settings: RehearsalSettings,
    loading: Loading | None = None,
    progress: bool = True,
    split: Split = ALONE,
) -> list[Label]:
    """Tune ``base`` on what it knows, ask it again what it did not know, set aside what it now does.

    Resumable: the tuning and the ledger of the second probe lie under ``out``. ``split`` is as for the probe,
    ``loading`` as for the tuning.
    """
    from training.bundle import fingerprint
    from training.engine.local import LocalModel
    from training.sft import tune

    examples = rehearsal_examples(questions, labels, settings)
    by_id = {q.id: q for q in questions}
    watched = [by_id[e.question_id] for e in examples][:50]
    once = sft.model_copy(update={"evaluations": 1, "tensorboard": False})
    tune(
        base,
        examples,
        {SET: watched},
        labels,
        out,
        once,
        choose_on=SET,
        loading=loading,
        progress=progress,
    )
    model = LocalModel.load(
        base,
        adapter=out / "adapter",
        **(loading or {}),
        name=f"rehearsed {fingerprint(out / 'adapter')}",
    )
    doubtful = [
        by_id[one.question_id] for one in labels if one.known is False and one.question_id in by_id
    ]
    found = probe(model, doubtful, out / "probes.jsonl", probing, progress=progress, split=split)
    after = {q.id: label(q, p, judging).p_correct for q, p in zip(doubtful, found, strict=True)}
    return without_gains(labels, after, settings.gain)
