"""Confidence of what is read: the reader's scores, retrieval and agreement to P(right).

A logistic regression over features that cost no further pass, fitted on questions of which half have
their passage taken away. ``calibration.json`` beside the weights holds it, the no-answer threshold
and, for a scale of precisions, the confidence from which on answers were as precise as that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from kg_builder.files import write_json
from retrieval.errors import RetrievalError

FILE = "calibration.json"
LIMIT = 15.0  # log-probabilities beyond it say no more
STEEPEST = (
    30.0  # log-odds; beyond it a probability would be 1 exactly, which no threshold withholds
)
CAUTION = 0.5  # of the errors that a precision allows, on the calibration questions
NONE = -LIMIT  # stands for the score of a rival or an ally that is not there


class ReadingCalibrationError(RetrievalError):
    """A reader's calibration is missing or damaged."""


class Features(NamedTuple):
    """What is known of one candidate answer. Scores are differences of log-probabilities."""

    score: float  # best span against no answer
    log_probability: float  # of the span
    margin: float  # to the passage's next best span
    rank: float  # 1 / (1 + rank of the passage)
    ally: float  # score of the best other passage that says the same
    rival: float  # score of the best other passage that says something else
    named: float  # 1 where the question names the passage's title
    other_named: float  # 1 where it names the title of another passage and not of this one
    length: float  # log of the answer's characters
    chinese: float
    chinese_score: float  # score where the question is Chinese, else 0: what a score means differs


class ReadingCalibration(BaseModel):
    """``mean``, ``scale`` and ``weights`` are in the order of ``Features``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[FiniteFloat, ...]
    scale: tuple[FiniteFloat, ...]
    weights: tuple[FiniteFloat, ...]
    intercept: FiniteFloat
    no_answer: FiniteFloat  # a score below it: the passage does not answer
    threshold: FiniteFloat = Field(ge=0, le=1)  # a confidence below it is not given as an answer
    # (precision, confidence from which on answers were that precise), ascending
    precisions: tuple[tuple[FiniteFloat, FiniteFloat], ...] = ()
    questions: int = 0  # that it was fitted on

    @model_validator(mode="after")
    def _fits_the_features(self) -> ReadingCalibration:
        count = len(Features._fields)
        for name in ("mean", "scale", "weights"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} holds {len(getattr(self, name))} values, not {count}")
        if min(self.scale) <= 0:
            raise ValueError(f"scale {min(self.scale)} is not above 0")
        return self

    @classmethod
    def load(cls, folder: Path) -> ReadingCalibration:
        """Raises ReadingCalibrationError where the file is missing or none of ours."""
        try:
            found = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls.model_validate(found)
        except (OSError, ValueError, ValidationError) as error:
            raise ReadingCalibrationError(
                f"{folder / FILE}: no calibration of a reader ({error}). Make it: zhizhi reader calibrate."
            ) from error

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, self.model_dump(mode="json"))

    def probability(self, features: Features) -> float:
        """P(the candidate is right)."""
        total = self.intercept
        for value, mean, scale, weight in zip(
            features, self.mean, self.scale, self.weights, strict=True
        ):
            total += weight * (value - mean) / scale
        if not math.isfinite(total):
            return 0.0
        return 1 / (1 + math.exp(-max(-STEEPEST, min(STEEPEST, total))))

    def threshold_for(self, precision: float | None) -> float:
        """The confidence that an answer needs where ``precision`` is asked for; never below the
        default. 1.0 where no threshold was that precise: nothing is answered then."""
        if precision is None:
            return self.threshold
        for reached, confidence in self.precisions:
            if reached >= precision:
                return max(self.threshold, confidence)
        return 1.0

    def cautious_threshold(self, precision: float) -> float:
        """The confidence that an answer needs where ``precision`` is to hold on questions and documents that
        nothing was certified with; 1.0 where none is enough.

        The scale was read off the calibration questions without a bound, and others are harder: of the errors
        that the precision allows, ``CAUTION`` are allowed there.
        """
        return self.threshold_for(round(1 - CAUTION * (1 - precision), 9))


def clipped(score: float) -> float:
    """A score as a feature: finite and within the limit."""
    return NONE if math.isnan(score) else max(-LIMIT, min(LIMIT, score))


def fit(
    rows: Sequence[Features],
    right: Sequence[bool],
    *,
    no_answer: float,
    precision: float,
    readings: Sequence[int] | None = None,
) -> ReadingCalibration:
    """Fit on candidates; ``precision`` chooses the default threshold.

    ``readings`` says for each candidate to which reading of a question it belongs; of each the most
    confident one counts for the thresholds. Without it every candidate is a reading of its own.

    Needs scikit-learn. Raises ReadingCalibrationError where all candidates are right, or none.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if len(set(right)) < 2:
        raise ReadingCalibrationError(
            f"{len(rows)} candidates of one kind: calibration needs right and wrong ones."
        )
    values = np.asarray(rows, np.float64)
    mean, scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
    model = LogisticRegression(C=1.0, max_iter=1000).fit((values - mean) / scale, right)
    made = ReadingCalibration(
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        weights=tuple(model.coef_[0].tolist()),
        intercept=float(model.intercept_[0]),
        no_answer=no_answer,
        threshold=0.0,
        questions=len(rows) if readings is None else len(set(readings)),
    )
    best: dict[int, tuple[float, bool]] = {}
    for row, is_right, reading in zip(
        rows, right, range(len(rows)) if readings is None else readings, strict=True
    ):
        judged = made.probability(row), is_right
        best[reading] = max(best.get(reading, judged), judged)
    confidences, outcomes = (
        [p for p, _ in best.values()],
        [is_right for _, is_right in best.values()],
    )
    reached = [
        (level / 100, found)
        for level in range(50, 100)
        if (found := _threshold(confidences, outcomes, level / 100)) is not None
    ]
    default = next((found for level, found in reached if level >= precision), 1.0)
    return made.model_copy(update={"precisions": tuple(reached), "threshold": default})


def _threshold(
    confidences: Sequence[float], right: Sequence[bool], precision: float
) -> float | None:
    """The lowest confidence from which on the answers are right often enough."""
    order = sorted(zip(confidences, right, strict=True), reverse=True)
    found, hits, count = None, 0, 0
    # Equal confidences pass a threshold together.
    for confidence, group in groupby(order, key=lambda one: one[0]):
        judged = [is_right for _, is_right in group]
        count, hits = count + len(judged), hits + sum(judged)
        if hits >= precision * count:
            found = confidence
    return found
