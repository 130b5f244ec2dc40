"""The untuned model's signals combined: what the confidence is worth without any tuning, a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kg_builder.question import Question
from training.calibrate import calibration_parts, fit
from training.label import verdict
from training.popularity import Popularity
from training.probe import ask
from training.signals import count_answers, signals

if TYPE_CHECKING:
    from zhizhi.methods import Comparison, Outcome


def untuned_signals(c: Comparison, _: Path, questions: Sequence[Question]) -> list[Outcome]:
    """The confidence features of the untuned model's answer, combined as ours are: what is left of ours
    without any tuning."""
    from zhizhi.methods import Outcome

    spec = c.bundle.spec
    known = Popularity(spec.popularity, spec.popularity_bands)
    counts = count_answers([one.answer for one in c.of_training(c.labels)])
    model = c.model()

    def measure(asked: Sequence[Question]) -> list[tuple[str, dict[str, float]]]:
        found = []
        generations = model.generate([ask(q) for q in asked], c.sampling)
        for question, generation in zip(asked, generations, strict=True):
            features = signals(generation, answer_counts=counts)
            features.pop("refusal_logit", None)  # what tuning teaches
            if known:
                features["popularity"] = known.signal(question.text)
            found.append((generation.text, features))
        return found

    fitting = calibration_parts(c.split["calibration"])[0]
    measured = measure(fitting)
    right = [verdict(q, text) == "right" for q, (text, _) in zip(fitting, measured, strict=True)]
    calibration = fit([features for _, features in measured], right, c.recipe.calibration)
    return [
        Outcome(
            question_id=q.id, text=text, confidence=calibration.confidence(features), refused=None
        )
        for q, (text, features) in zip(questions, measure(questions), strict=True)
    ]
