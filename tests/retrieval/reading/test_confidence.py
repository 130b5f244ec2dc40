"""From scores to P(right), and the thresholds that were precise enough."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.reading.confidence import (
    FILE,
    LIMIT,
    NONE,
    Features,
    ReadingCalibration,
    ReadingCalibrationError,
    clipped,
    fit,
)

COUNT = len(Features._fields)
ZEROS = Features(*[0.0] * COUNT)


def features(score: float, *, rank: float = 1.0) -> Features:
    return ZEROS._replace(score=score, rank=rank)


def calibration(**changes: object) -> ReadingCalibration:
    """P = 1 / (1 + exp(-score)) unless changed."""
    return ReadingCalibration.model_validate(
        {
            "mean": (0.0,) * COUNT,
            "scale": (1.0,) * COUNT,
            "weights": (1.0,) + (0.0,) * (COUNT - 1),
            "intercept": 0.0,
            "no_answer": 0.0,
            "threshold": 0.5,
            **changes,
        }
    )


def sampled(count: int, seed: int = 0) -> tuple[list[Features], list[bool]]:
    """Candidates that are right the likelier, the higher their score."""
    rng = random.Random(seed)
    rows, right = [], []
    for _ in range(count):
        score = rng.uniform(-4, 4)
        rows.append(features(score, rank=rng.random()))
        right.append(rng.random() < 1 / (1 + math.exp(-2 * score)))
    return rows, right


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_clipped_score_is_finite(score: float) -> None:
    assert math.isfinite(clipped(score))
    assert -LIMIT <= clipped(score) <= LIMIT


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_clipping_keeps_the_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert clipped(low) <= clipped(high)


@pytest.mark.parametrize(
    ("score", "found"),
    [(1.5, 1.5), (1e9, LIMIT), (-1e9, -LIMIT), (-math.inf, NONE), (math.nan, NONE)],
)
def test_clipped(score: float, found: float) -> None:
    assert clipped(score) == found


def test_probability_is_the_logistic_of_the_scaled_features() -> None:
    made = calibration(
        mean=(2.0,) + (0.0,) * (COUNT - 1), scale=(4.0,) + (1.0,) * (COUNT - 1), intercept=0.5
    )
    assert made.probability(features(10.0)) == pytest.approx(1 / (1 + math.exp(-2.5)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=COUNT, max_size=COUNT))
def test_a_probability_is_one(values: list[float]) -> None:
    assert 0.0 <= calibration(weights=(1.0,) * COUNT).probability(Features(*values)) <= 1.0


def test_what_is_not_a_number_gives_no_confidence() -> None:
    assert calibration().probability(features(math.nan)) < 0.5


def test_nothing_is_answered_where_no_threshold_was_that_precise() -> None:
    made = calibration(precisions=((0.9, 0.7),), scale=(0.01,) + (1.0,) * (COUNT - 1))
    assert made.threshold_for(0.95) == 1.0
    assert made.probability(features(LIMIT)) < made.threshold_for(0.95)


@pytest.mark.parametrize(
    ("precision", "threshold"),
    [(None, 0.5), (0.3, 0.5), (0.6, 0.5), (0.8, 0.55), (0.85, 0.8), (0.9, 0.8), (0.91, 1.0), (1.0, 1.0)],
)  # fmt: skip
def test_threshold_for(precision: float | None, threshold: float) -> None:
    made = calibration(precisions=((0.6, 0.2), (0.8, 0.55), (0.9, 0.8)))
    assert made.threshold_for(precision) == threshold


def test_fit_finds_what_tells_right_from_wrong() -> None:
    rows, right = sampled(800)
    made = fit(rows, right, no_answer=-1.25, precision=0.85)
    assert made.weights[0] > 1
    assert abs(made.weights[3]) < 0.5  # the rank tells nothing here
    assert made.probability(features(3)) > 0.9
    assert made.probability(features(-3)) < 0.1
    assert (made.no_answer, made.questions) == (-1.25, 800)


def test_a_feature_that_never_varies_is_harmless() -> None:
    rows, right = sampled(100)
    made = fit(rows, right, no_answer=0.0, precision=0.85)
    assert all(scale > 0 for scale in made.scale)
    assert math.isfinite(made.probability(ZEROS._replace(length=3.0)))


def test_thresholds_rise_with_the_precision() -> None:
    rows, right = sampled(800)
    made = fit(rows, right, no_answer=0.0, precision=0.85)
    levels = [level for level, _ in made.precisions]
    thresholds = [threshold for _, threshold in made.precisions]
    assert levels == sorted(levels)
    assert thresholds == sorted(thresholds)
    assert made.threshold == made.threshold_for(None) == dict(made.precisions)[0.85]


@pytest.mark.parametrize("seed", range(3))
def test_answers_above_a_threshold_were_as_precise_as_it_says(seed: int) -> None:
    rows, right = sampled(400, seed)
    check_precisions(fit(rows, right, no_answer=0.0, precision=0.85), rows, right)


def test_candidates_of_one_confidence_are_answered_together() -> None:
    rows = [features(2.0)] * 4 + [features(-2.0)] * 4
    right = [True, True, True, False, False, False, False, True]
    check_precisions(fit(rows, right, no_answer=0.0, precision=0.9), rows, right)


def check_precisions(made: ReadingCalibration, rows: list[Features], right: list[bool]) -> None:
    for level, threshold in made.precisions:
        given = [
            is_right
            for row, is_right in zip(rows, right, strict=True)
            if made.probability(row) >= threshold
        ]
        assert given, (level, threshold)
        assert sum(given) / len(given) >= level, (level, threshold)


def test_a_precision_that_is_not_reached_refuses_everything() -> None:
    right = {5: False, 4: True, 3: True, 2: True, -1: False, -2: False, -3: False, -4: False}
    rows = [features(float(score)) for score in right]
    made = fit(rows, list(right.values()), no_answer=0.0, precision=0.9)
    assert made.weights[0] > 0  # the surest candidate is wrong
    assert made.threshold == 1.0
    assert [level for level, _ in made.precisions][-1] == 0.75


@pytest.mark.parametrize("right", [[True, True], [False, False], []])
def test_candidates_of_one_kind_teach_nothing(right: list[bool]) -> None:
    with pytest.raises(ReadingCalibrationError, match="right and wrong"):
        fit([ZEROS] * len(right), right, no_answer=0.0, precision=0.9)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    rows, right = sampled(60)
    made = fit(rows, right, no_answer=-0.5, precision=0.85)
    made.save(tmp_path)
    assert ReadingCalibration.load(tmp_path) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": 1.5},
        {"unknown": 1},
        {"weights": "none"},
        {"weights": [1.0]},
        {"mean": [0.0] * (COUNT + 1)},
        {"scale": [0.0] * COUNT},
        {"intercept": math.nan},
        {"no_answer": math.nan},
    ],
)
def test_a_damaged_calibration_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    stored = calibration().model_dump(mode="json") | changes
    (tmp_path / FILE).write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ReadingCalibrationError, match=FILE):
        ReadingCalibration.load(tmp_path)


@pytest.mark.parametrize("text", [None, "", "[]", "{"])
def test_no_calibration_is_told_with_its_remedy(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ReadingCalibrationError, match="zhizhi reader calibrate"):
        ReadingCalibration.load(tmp_path)


@pytest.mark.parametrize(("precision", "threshold"), [(0.4, 0.4), (0.6, 0.7), (0.9, 1.0)])
def test_elsewhere_half_of_the_errors_are_allowed(precision: float, threshold: float) -> None:
    made = calibration(threshold=0.4, precisions=((0.7, 0.2), (0.8, 0.7)))
    assert made.cautious_threshold(precision) == threshold
