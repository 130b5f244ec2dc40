"""Certifying: what can be promised of a model's own answers and those of the index behind it, together.

The promise belongs to one bundle over one index. It rests on the certifying half of the calibration
questions, which had no say in the tuning, the choice of the checkpoint or the weights of the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from kg_builder.files import read_jsonl, write_json
from kg_builder.question import Question
from training.calibrate import halves
from training.certificate import Outcomes, certify_jointly
from training.label import verdict
from zhizhi.recipe import Recipe, validated

if TYPE_CHECKING:
    from retrieval.chain import RetrievalChain
    from training.calibrated import CalibratedModel

FILE = "joint.json"


def certify_run(
    out: Path, *, targets: Sequence[float] = (), most: int | None = None, progress: bool = True
) -> dict[str, Any]:
    """Ask model and index of the finished run ``out`` the calibration questions (at most ``most`` of each
    half), certify the ``targets`` (none: the recipe's) and keep the result as joint.json in the run."""
    from zhizhi.pipeline import chosen_questions
    from zhizhi.serving import open_run

    model, chain = open_run(out)
    recipe = validated(Recipe, model.spec.provenance["recipe"], "the bundle's recipe")
    read = [Question.model_validate(r) for r in read_jsonl(out / "graph" / "questions.jsonl")]
    questions = chosen_questions(recipe, read)["calibration"]
    fitting, certifying = (
        outcomes(model, chain, part[:most], progress=progress) for part in halves(questions)
    )
    points = [
        certify_jointly(target, fitting, certifying, recipe.calibration.delta)
        for target in targets or recipe.calibration.targets
    ]
    result = {
        "bundle": model.name,
        "index": chain.name,
        "questions": len(certifying.confidence),
        "points": [point.model_dump(mode="json") for point in points],
    }
    write_json(out / FILE, result)
    return result


def outcomes(
    model: CalibratedModel,
    chain: RetrievalChain,
    questions: Sequence[Question],
    *,
    progress: bool = True,
) -> Outcomes:
    """What becomes of every question directly and by retrieval from the index."""
    attempts = model.attempt([q.text for q in questions])
    retrieved: list[bool | None] = []
    for question in tqdm(questions, desc="retrieve", unit="q", disable=not progress):
        reading = chain.answer(question.text, sources="index")
        right = None if reading.answer is None else verdict(question, reading.answer) == "right"
        retrieved.append(right)
    return Outcomes(
        confidence=tuple(a.confidence for a in attempts),
        direct=tuple(
            verdict(q, a.text) == "right" for q, a in zip(questions, attempts, strict=True)
        ),
        retrieved=tuple(retrieved),
    )
