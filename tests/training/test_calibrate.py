import numpy as np
import pytest
from pydantic import ValidationError

from kg_builder.question import Question
from training.calibrate import (
    Calibration,
    CalibrationSettings,
    best_guess,
    certify,
    fit,
    grid_for,
    halves,
    needed_for,
    operating_points,
)
from training.errors import BundleError, TrainingError
from training.intervals import clopper_pearson_lower
from training.selective import ece

SETTINGS = CalibrationSettings()


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and outcomes of a world in which P(right | c) = c ** 0.5, known exactly."""
    confidence = rng.random(n)
    return confidence, rng.random(n) < confidence**0.5


def true_precision(threshold: float) -> float:
    """E[c ** 0.5 | c ≥ t] of that world: (2/3)(1 − t^1.5) / (1 − t)."""
    t = min(max(threshold, 0.0), 1 - 1e-12)
    return 2 / 3 * (1 - t**1.5) / (1 - t)


def test_the_worlds_precision() -> None:
    confidence, right = drawn(np.random.default_rng(0), 400_000)
    for threshold in (0.0, 0.3, 0.8):
        assert right[confidence >= threshold].mean() == pytest.approx(
            true_precision(threshold), abs=0.005
        )


@pytest.mark.parametrize(("target", "delta"), [(0.80, 0.1), (0.90, 0.1), (0.90, 0.05)])
def test_the_guarantee_holds_over_a_thousand_splits(target: float, delta: float) -> None:
    rng = np.random.default_rng(1)
    splits, broken, given, naive_broken = 1200, 0, 0, 0
    for _ in range(splits):
        fitting, certifying = drawn(rng, 250), drawn(rng, 250)
        point = certify(target, grid_for(target, *fitting, delta), *certifying, delta)
        if point is not None:
            given += 1
            broken += true_precision(point.threshold) < target
        naive_broken += true_precision(best_guess(target, *certifying, delta).threshold) < target
    assert broken / splits <= delta
    assert given / splits > 0.1  # it is no guarantee by certifying nothing
    assert naive_broken / splits > 2 * delta  # without the test the promise would be broken


def test_certify_stops_at_the_first_threshold_that_fails() -> None:
    # 40 right above 0.9, then 10 wrong, then 400 right: fixed-sequence testing must not jump the gap.
    confidence = [0.95] * 40 + [0.5] * 10 + [0.2] * 400
    right = [True] * 40 + [False] * 10 + [True] * 400
    point = certify(0.9, [0.9, 0.5, 0.2], confidence, right, 0.1)
    assert point is not None
    assert (point.threshold, point.n, point.certified) == (0.9, 40, True)
    assert point.bound == pytest.approx(clopper_pearson_lower(40, 40, 0.1))
    assert point.coverage == pytest.approx(40 / 450)
    assert clopper_pearson_lower(440, 450, 0.1) > 0.9  # which the last threshold alone would pass


def test_nothing_certifiable() -> None:
    assert certify(0.9, [0.5], [0.9] * 10, [True] * 10, 0.1) is None  # too few
    assert certify(0.9, [0.5], [0.9] * 100, [False] * 100, 0.1) is None
    assert certify(0.9, [0.5], [0.1] * 100, [True] * 100, 0.1) is None  # none above
    assert certify(0.9, [], [0.9], [True], 0.1) is None
    assert certify(0.9, [0.5], [], [], 0.1) is None


def test_an_uncertified_point_says_so_and_may_answer_nothing() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(60)
    points = operating_points(
        (confidence, [False] * 60), (confidence, [False] * 60), CalibrationSettings(targets=(0.9,))
    )
    assert {p.name for p in points} == {"precision-0.90", "chat", "webqa", "strict"}
    for point in points:
        assert not point.certified
        assert point.bound is None
        assert point.coverage == 0.0
        assert point.threshold > 1.0


def test_points_are_named_by_target_and_profile() -> None:
    rng = np.random.default_rng(3)
    fitting, certifying = drawn(rng, 2000), drawn(rng, 2000)
    points = {p.name: p for p in operating_points(fitting, certifying, SETTINGS)}
    assert points["webqa"].target_precision == 0.90
    assert points["precision-0.90"].threshold == points["webqa"].threshold
    certified = [p for p in points.values() if p.certified]
    assert len(certified) >= 5
    for point in certified:
        assert point.bound is not None
        assert point.target_precision is not None
        assert point.bound >= point.target_precision
        scores, right = certifying
        above = right[scores >= point.threshold]
        assert point.n == len(above)
        assert point.bound == pytest.approx(
            clopper_pearson_lower(int(above.sum()), len(above), SETTINGS.delta)
        )
    # a stricter target is never answered more often
    coverage = [
        p.coverage for t in SETTINGS.targets if (p := points[f"precision-{t:.2f}"]).certified
    ]
    assert coverage == sorted(coverage, reverse=True)


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


def test_halves_never_part_an_entity(questions: list[Question]) -> None:
    twice = [q.model_copy(update={"id": f"{q.id}-{k}"}) for q in questions for k in range(2)]
    fitting, certifying = halves(twice)
    assert len(fitting) + len(certifying) == len(twice)
    assert fitting
    assert certifying
    assert not {q.subject_id for q in fitting} & {q.subject_id for q in certifying}
    assert halves(list(reversed(twice)))[0] == list(reversed(fitting))


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
