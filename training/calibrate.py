"""Calibrate: signals to P(correct), and the operating points that can be certified.

The calibration questions are parted by entity: one part fits the weights (and chose the checkpoint), the
other certifies thresholds (training.certificate), so that the certificate's data had no say in what it
certifies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from kg_builder.files import digest
from kg_builder.question import Question
from training.attempt import OperatingPoint
from training.errors import BundleError, TrainingError
from training.selective import CurvePoint, point_at_precision
from training.signals import IMPLAUSIBLE, SIGNALS

TARGETS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.97, 0.99)
FITTING = 1000  # questions that fit the weights, where there are enough
MOST_CERTIFYING = 0.7  # of the calibration questions


class Calibration(BaseModel):
    """A logistic map from standardised signals to P(correct)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    means: tuple[FiniteFloat, ...]
    scales: tuple[FiniteFloat, ...]
    weights: tuple[FiniteFloat, ...]
    intercept: FiniteFloat
    n: int  # questions it was fitted on

    @model_validator(mode="after")
    def _fits_its_names(self) -> Calibration:
        for name in ("means", "scales", "weights"):
            if len(getattr(self, name)) != len(self.names):
                raise ValueError(
                    f"{name} holds {len(getattr(self, name))} values for {len(self.names)} names"
                )
        if any(scale <= 0 for scale in self.scales):
            raise ValueError(f"scales must lie above 0: {self.scales}")
        return self

    def confidence(self, signals: dict[str, float]) -> float:
        """P(correct). Raises BundleError when the engine does not give a signal that is needed, or gives
        one that is no finite number: such an answer has no confidence, least of all a high one."""
        if signals.get(IMPLAUSIBLE):
            return 0.0
        missing = [name for name in self.names if name not in signals]
        if missing:
            raise BundleError(
                f"The engine gives no {', '.join(missing)}, which this bundle's calibration needs. "
                "Use an engine that returns log-probabilities, or calibrate again with this one."
            )
        broken = {name: signals[name] for name in self.names if not math.isfinite(signals[name])}
        if broken:
            raise BundleError(
                f"The engine gives signals that are no finite numbers: {broken}. "
                "Check its log-probabilities and the precision it computes in."
            )
        z = self.intercept + sum(
            weight * (signals[name] - mean) / scale
            for name, mean, scale, weight in zip(
                self.names, self.means, self.scales, self.weights, strict=True
            )
        )
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, z))))


class CalibrationSettings(BaseModel):
    """What is certified, and how surely."""

    model_config = ConfigDict(extra="forbid")

    delta: float = Field(0.1, gt=0, lt=1)  # each certificate fails with at most this probability
    targets: tuple[float, ...] = TARGETS
    profiles: dict[str, float] = {"chat": 0.80, "webqa": 0.90, "strict": 0.97}
    default_profile: str = "webqa"
    regularisation: float = Field(1.0, gt=0)  # inverse strength, as scikit-learn's C
    # Let a score of what the untuned model knows, fitted on the training questions, be a feature.
    knowledge: bool = False
    balanced_precision: float = Field(
        0.85, gt=0, lt=1
    )  # for the threshold on as many known as unknown

    @model_validator(mode="after")
    def _sound(self) -> CalibrationSettings:
        for target in (*self.targets, *self.profiles.values()):
            if not 0 < target < 1:
                raise ValueError(f"a target precision must lie between 0 and 1, not {target}")
        if self.default_profile not in self.profiles:
            known = ", ".join(self.profiles)
            raise ValueError(f"default_profile {self.default_profile!r} is none of: {known}")
        return self


def fit(
    rows: Sequence[dict[str, float]], correct: Sequence[bool], settings: CalibrationSettings
) -> Calibration:
    """Logistic regression of ``correct`` on the signals that every row has.

    Raises TrainingError where there is nothing to learn from: no signal, or one class only.
    """
    from sklearn.linear_model import LogisticRegression

    if not rows:
        raise TrainingError(
            "There are no calibration questions to fit the confidence on. Use a larger graph, or give "
            "more of it to the calibration split."
        )
    if not any(correct) or all(correct):
        which = "right" if any(correct) else "wrong"
        raise TrainingError(
            f"All {len(correct)} answers on the calibration split are {which}: there is nothing to "
            "calibrate. Use more questions, or a graph that the model knows in part."
        )
    names = tuple(name for name in SIGNALS if all(name in row for row in rows))
    if not names:
        raise TrainingError(
            "The model reports neither log-probabilities nor a refusal probability, so there is no signal "
            "to calibrate. Use an engine that returns log-probabilities."
        )
    x = np.array([[row[name] for name in names] for row in rows])
    means, scales = x.mean(0), x.std(0)
    scales[scales == 0] = 1
    model = LogisticRegression(C=settings.regularisation, max_iter=1000)
    model.fit((x - means) / scales, np.asarray(correct))
    return Calibration(
        names=names,
        means=tuple(map(float, means)),
        scales=tuple(map(float, scales)),
        weights=tuple(map(float, model.coef_[0])),
        intercept=float(model.intercept_[0]),
        n=len(rows),
    )


def best_guess(
    target: float,
    confidence: Sequence[float],
    correct: Sequence[bool],
    delta: float,
    name: str = "",
) -> OperatingPoint:
    """The threshold with the largest coverage whose observed precision reaches ``target``, uncertified.

    Where nothing reaches it, a threshold above every confidence: such a point answers nothing.
    """
    n = len(confidence)
    best = point_at_precision(confidence, correct, target) or CurvePoint(1.1, 0.0, 0.0)
    return OperatingPoint(
        name=name or f"precision-{target:.2f}",
        threshold=best.threshold,
        target_precision=target,
        certified=False,
        n=round(best.coverage * n),
        coverage=best.coverage,
        delta=delta,
    )


def needed_for(target: float, delta: float) -> int:
    """Answers without a single error that certify ``target`` at level δ: ln δ / ln target, rounded up."""
    return math.ceil(math.log(delta) / math.log(target))


def calibration_parts(questions: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    """The fitting and the certifying part of the calibration questions, parted by entity hash.

    A dozen weights are fitted on ``FITTING`` questions as well as on more, so that of a large split most
    certifies: up to ``MOST_CERTIFYING`` of it, of a small one half.
    """
    share = min(0.5, max(1 - MOST_CERTIFYING, FITTING / max(1, len(questions))))
    fitting: list[Question] = []
    certifying: list[Question] = []
    for question in questions:
        place = int(digest(["half", question.subject_id]), 16) % 1000 / 1000
        (fitting if place < share else certifying).append(question)
    return fitting, certifying
