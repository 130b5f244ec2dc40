"""Certifying: what can be promised of a model's own answers and those of an index behind it, together.

The promise belongs to one bundle over one index, and is kept in the bundle. It rests on the certifying part
of the calibration questions, which had no say in the tuning, the choice of the checkpoint or the weights
of the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from kg_builder.files import read_jsonl
from kg_builder.question import Question
from training.attempt import OperatingPoint
from training.calibrate import MOST_CERTIFYING, calibration_parts
from training.certificate import Answers
from training.label import verdict
from training.routed_certificate import LookedUp, routed_points
from zhizhi.recipe import Recipe, validated

if TYPE_CHECKING:
    from retrieval.chain import RetrievalChain
    from service.settings import Settings
    from training.attempt import Attempter
    from training.probe import Told

LOOKED_UP = 1500  # calibration questions that are retrieved for, whole entities in hash order


def certify_run(
    out: Path,
    *,
    index: Path | None = None,
    most: int = LOOKED_UP,
    settings: Settings | None = None,
    progress: bool = True,
) -> list[OperatingPoint]:
    """Certify both routes of the finished run ``out``, over its own index or another, and keep the points in
    its bundle. At most ``most`` calibration questions are looked up."""
    from training.bundle import Bundle
    from training.model_card import model_card
    from zhizhi.pipeline import chosen_questions, told
    from zhizhi.serving import open_run

    model, chain = open_run(out, settings, index)
    recipe = validated(Recipe, model.spec.provenance["recipe"], "the bundle's recipe")
    read = [Question.model_validate(r) for r in read_jsonl(out / "graph" / "questions.jsonl")]
    questions = chosen_questions(recipe, read)["calibration"]
    shares = (1 - MOST_CERTIFYING, MOST_CERTIFYING)
    known = told(recipe, out)
    direct, looked_up = [], []
    for part, share in zip(calibration_parts(questions), shares, strict=True):
        answers = direct_answers(model, part, known)
        direct.append(answers)
        looked_up.append(look_up(chain, part, answers, round(most * share), progress=progress))
    fitting, certifying = direct
    points = routed_points(fitting, certifying, (looked_up[0], looked_up[1]), recipe.calibration)
    bundle = Bundle.load(out / "bundle")
    routed = {**bundle.spec.routed_points, chain.identity: tuple(points)}
    spec = bundle.spec.model_copy(update={"routed_points": routed})
    bundle.replace(spec, model_card(spec))
    return points


def direct_answers(
    model: Attempter, questions: Sequence[Question], told: Told | None = None
) -> Answers:
    """The model's own answers to the questions; ``told`` is what its base is known to say."""
    from training.calibrated import CalibratedModel

    texts = [q.text for q in questions]
    attempts = (
        model.attempt(texts, told) if isinstance(model, CalibratedModel) else model.attempt(texts)
    )
    return Answers.of(
        [a.confidence for a in attempts],
        [verdict(q, a.text) == "right" for q, a in zip(questions, attempts, strict=True)],
        [q.subject_id for q in questions],
        [a.stratum for a in attempts],
    )


def look_up(
    chain: RetrievalChain,
    questions: Sequence[Question],
    direct: Answers,
    most: int,
    *,
    progress: bool = True,
) -> LookedUp:
    """The retrieved answers to at most ``most`` of the questions, beside the ``direct`` ones."""
    from zhizhi.pipeline import limited

    chosen = {q.id for q in limited(list(questions), most)}
    places = [i for i, q in enumerate(questions) if q.id in chosen]
    confidence: list[float | None] = []
    right: list[bool] = []
    for place in tqdm(places, desc="retrieve", unit="q", disable=not progress):
        question = questions[place]
        reading = chain.answer(question.text, sources="index")
        given = reading.answer is not None
        # An answer without a confidence can be held against no threshold: it counts as not given.
        confidence.append(reading.confidence if given else None)
        right.append(given and verdict(question, reading.answer or "") == "right")
    kept = direct.take(places)
    retrieved = Answers.of(confidence, right, kept.members.tolist(), kept.strata.tolist())
    return LookedUp(retrieved=retrieved, direct=kept)
