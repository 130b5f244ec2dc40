"""Calibrate: signals to P(correct), and the operating points that can be certified.

The calibration questions are parted by entity: one half fits the weights (and chose the checkpoint), the
other certifies thresholds, so that the certificate's data had no say in what it certifies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kg_builder.files import digest
from kg_builder.question import Question
from training.attempt import OperatingPoint
from training.errors import BundleError, TrainingError
from training.intervals import clopper_pearson_lower
from training.selective import CurvePoint, risk_coverage
from training.signals import SIGNALS

TARGETS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.97, 0.99)


class Calibration(BaseModel):
    """A logistic map from standardised signals to P(correct)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    n: int  # questions it was fitted on

    def confidence(self, signals: dict[str, float]) -> float:
        """P(correct). Raises BundleError when the engine does not give a signal that is needed."""
        missing = [name for name in self.names if name not in signals]
        if missing:
            raise BundleError(
                f"The engine gives no {', '.join(missing)}, which this bundle's calibration needs. "
                "Use an engine that returns log-probabilities, or calibrate again with this one."
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


def certify(
    target: float,
    grid: Sequence[float],
    confidence: Sequence[float],
    correct: Sequence[bool],
    delta: float,
    *,
    name: str = "",
) -> OperatingPoint | None:
    """The lowest threshold of ``grid`` whose precision is at least ``target`` with probability 1 − δ.

    Fixed-sequence testing (Learn then Test, Angelopoulos et al. 2021): the thresholds, from the strictest
    on, are tested one after the other at level δ until one fails; the last that passed is certified. The
    family-wise error is δ because the sequence was fixed without these data. Each test is an exact
    binomial one (Clopper–Pearson). None where the first test already fails.
    """
    scores, right = np.asarray(confidence), np.asarray(correct, dtype=bool)
    passed: OperatingPoint | None = None
    for threshold in grid:
        given = scores >= threshold
        answered, good = int(given.sum()), int(right[given].sum())
        bound = clopper_pearson_lower(good, answered, delta) if answered else 0.0
        if bound < target:
            break
        passed = OperatingPoint(
            name=name or f"precision-{target:.2f}",
            threshold=float(threshold),
            target_precision=target,
            certified=True,
            bound=bound,
            n=answered,
            coverage=answered / len(scores),
            delta=delta,
        )
    return passed


def grid_for(
    target: float, confidence: Sequence[float], correct: Sequence[bool], delta: float
) -> list[float]:
    """The sequence in which thresholds are tested for ``target``, fixed on the fitting half.

    It starts where that half gives the surest pass (starting stricter would leave too few answers to
    prove anything) and goes down to answering everything.
    """
    curve = risk_coverage(confidence, correct)
    points = _thin(curve, 60)
    if not points:
        return []
    n = len(confidence)

    def margin(point: CurvePoint) -> float:
        answered = round(point.coverage * n)
        return clopper_pearson_lower(round((1 - point.risk) * answered), answered, delta) - target

    start = max(range(len(points)), key=lambda i: margin(points[i]))
    return [point.threshold for point in points[start:]]


def _thin(curve: Sequence[CurvePoint], most: int) -> list[CurvePoint]:
    if len(curve) <= most:
        return list(curve)
    return [curve[round(i * (len(curve) - 1) / (most - 1))] for i in range(most)]


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
    fitting = [p for p in risk_coverage(confidence, correct) if 1 - p.risk >= target]
    best = max(fitting, key=lambda p: p.coverage) if fitting else CurvePoint(1.1, 0.0, 0.0)
    return OperatingPoint(
        name=name or f"precision-{target:.2f}",
        threshold=best.threshold,
        target_precision=target,
        certified=False,
        bound=None,
        n=round(best.coverage * n),
        coverage=best.coverage,
        delta=delta,
    )


def operating_points(
    fitting: tuple[Sequence[float], Sequence[bool]],
    certifying: tuple[Sequence[float], Sequence[bool]],
    settings: CalibrationSettings,
) -> list[OperatingPoint]:
    """One point per target and per profile: certified where the data allow, else a best guess."""
    wanted = {f"precision-{t:.2f}": t for t in settings.targets} | settings.profiles
    points = []
    for name, target in wanted.items():
        grid = grid_for(target, *fitting, settings.delta)
        point = certify(target, grid, *certifying, settings.delta, name=name)
        if point is None:
            confidence = [*fitting[0], *certifying[0]]
            point = best_guess(
                target, confidence, [*fitting[1], *certifying[1]], settings.delta, name
            )
        points.append(point)
    return points


def needed_for(target: float, delta: float) -> int:
    """Answers without a single error that certify ``target`` at level δ: ln δ / ln target, rounded up."""
    return math.ceil(math.log(delta) / math.log(target))


def halves(questions: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    """The fitting and the certifying half of the calibration questions, parted by entity hash."""
    fitting: list[Question] = []
    certifying: list[Question] = []
    for question in questions:
        even = int(digest(["half", question.subject_id]), 16) % 2 == 0
        (fitting if even else certifying).append(question)
    return fitting, certifying
