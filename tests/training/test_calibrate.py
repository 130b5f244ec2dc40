import numpy as np
import pytest
from pydantic import ValidationError

from kg_builder.question import Question
from training.calibrate import (
    Calibration,
    CalibrationSettings,
    calibration_parts,
    fit,
    needed_for,
)
from training.errors import BundleError, TrainingError
from training.intervals import clopper_pearson_lower
from training.selective import ece

SETTINGS = CalibrationSettings()


def rows(values: np.ndarray) -> list[dict[str, float]]:
    return [{"mean_logprob": float(a), "refusal_logit": float(b)} for a, b in values]


def test_fit_recovers_probabilities() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(6000, 2)) * [2.0, 5.0] + [-3.0, 1.0]
    p = 1 / (1 + np.exp(-(0.8 * (values[:, 0] + 3) - 0.3 * (values[:, 1] - 1) + 0.2)))
    right = rng.random(6000) < p
    calibration = fit(rows(values), list(right), SETTINGS)
    assert calibration.names == ("refusal_logit", "mean_logprob")  # in the order of SIGNALS
    found = [calibration.confidence(row) for row in rows(values)]
    assert np.abs(np.array(found) - p).mean() < 0.02
    assert ece(found, list(right)) < 0.03


def test_a_signal_that_not_every_row_has_is_not_used() -> None:
    given = [{"mean_logprob": float(i), "first_margin": 0.5} for i in range(10)]
    del given[3]["first_margin"]
    assert fit(given, [i > 4 for i in range(10)], SETTINGS).names == ("mean_logprob",)


def test_a_constant_signal_does_no_harm() -> None:
    given = [{"mean_logprob": float(i), "first_margin": 1.0} for i in range(10)]
    calibration = fit(given, [i > 4 for i in range(10)], SETTINGS)
    assert calibration.confidence(given[9]) > 0.5 > calibration.confidence(given[0])


@pytest.mark.parametrize(("right", "word"), [(True, "right"), (False, "wrong")])
def test_one_class_cannot_be_calibrated(right: bool, word: str) -> None:
    with pytest.raises(TrainingError, match=f"All 20 answers .* are {word}"):
        fit([{"mean_logprob": -1.0}] * 20, [right] * 20, SETTINGS)


def test_no_signal_and_no_question_are_told() -> None:
    with pytest.raises(TrainingError, match="no signal"):
        fit([{}, {}], [True, False], SETTINGS)
    with pytest.raises(TrainingError, match="no calibration questions"):
        fit([], [], SETTINGS)


def test_a_missing_signal_is_named() -> None:
    calibration = Calibration(
        names=("mean_logprob",), means=(0.0,), scales=(1.0,), weights=(1.0,), intercept=0.0, n=1
    )
    assert calibration.confidence({"mean_logprob": 0.0}) == 0.5
    with pytest.raises(BundleError, match="mean_logprob"):
        calibration.confidence({"refusal_logit": 1.0})


@pytest.mark.parametrize("delta", [0.05, 0.1])
@pytest.mark.parametrize("target", [0.7, 0.9, 0.99])
def test_needed_for_is_the_least_that_certifies(target: float, delta: float) -> None:
    n = needed_for(target, delta)
    assert clopper_pearson_lower(n, n, delta) >= target > clopper_pearson_lower(n - 1, n - 1, delta)


def test_the_parts_never_part_an_entity(questions: list[Question]) -> None:
    twice = [q.model_copy(update={"id": f"{q.id}-{k}"}) for q in questions for k in range(2)]
    fitting, certifying = calibration_parts(twice)
    assert len(fitting) + len(certifying) == len(twice)
    assert fitting
    assert certifying
    assert not {q.subject_id for q in fitting} & {q.subject_id for q in certifying}
    assert calibration_parts(list(reversed(twice)))[0] == list(reversed(fitting))


@pytest.mark.parametrize(("n", "share"), [(1000, 0.5), (2500, 0.6), (5000, 0.7), (20000, 0.7)])
def test_most_of_a_large_split_certifies(questions: list[Question], n: int, share: float) -> None:
    many = [questions[0].model_copy(update={"subject_id": str(i)}) for i in range(n)]
    assert len(calibration_parts(many)[1]) / n == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    "fault", [{"targets": (1.0,)}, {"targets": (0.0,)}, {"default_profile": "bold"}, {"delta": 0}]
)
def test_settings_that_make_no_sense(fault: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CalibrationSettings.model_validate(fault)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("weight", [2.0, -2.0])
def test_a_signal_that_is_no_number_gives_no_confidence(value: float, weight: float) -> None:
    """Clipped to the steepest slope it would have been a confidence of 1."""
    calibration = Calibration(
        names=("mean_logprob",), means=(0.0,), scales=(1.0,), weights=(weight,), intercept=0.0, n=9
    )
    with pytest.raises(BundleError, match="no finite numbers"):
        calibration.confidence({"mean_logprob": value})
