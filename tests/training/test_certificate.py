from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import needed_for
from training.certificate import (
    Outcomes,
    answers_needed,
    certify_jointly,
    joint_grid,
    questions_needed,
)
from training.intervals import clopper_pearson_lower

RETRIEVED = 0.93  # how often retrieval is right where it answers
ANSWERS = 0.7  # how often it does


def drawn(rng: np.random.Generator, n: int) -> Outcomes:
    """A world in which P(right | c) = √c, and retrieval neither knows nor minds the confidence."""
    confidence = rng.random(n)
    answered, right = rng.random(n) < ANSWERS, rng.random(n) < RETRIEVED
    return Outcomes(
        confidence=tuple(confidence.tolist()),
        direct=tuple((rng.random(n) < confidence**0.5).tolist()),
        retrieved=tuple(bool(r) if a else None for a, r in zip(answered, right, strict=True)),
    )


def true_precision(threshold: float) -> float:
    """Of all answers of that world: direct ones above, retrieved ones below."""
    t = min(max(threshold, 0.0), 1.0)
    return (2 / 3 * (1 - t**1.5) + t * ANSWERS * RETRIEVED) / ((1 - t) + t * ANSWERS)


def test_the_worlds_precision() -> None:
    one = drawn(np.random.default_rng(0), 200_000)
    scores = np.array(one.confidence)
    for threshold in (0.2, 0.7, 0.95):
        given = [
            direct if c >= threshold else found
            for c, direct, found in zip(scores, one.direct, one.retrieved, strict=True)
        ]
        told = [g for g in given if g is not None]
        assert sum(told) / len(told) == pytest.approx(true_precision(threshold), abs=0.005)


@pytest.mark.parametrize(("target", "delta"), [(0.85, 0.1), (0.90, 0.1), (0.90, 0.05)])
def test_the_joint_guarantee_holds_over_a_thousand_splits(target: float, delta: float) -> None:
    rng = np.random.default_rng(1)
    splits, given, broken = 1000, 0, 0
    for _ in range(splits):
        point = certify_jointly(target, drawn(rng, 200), drawn(rng, 200), delta)
        if point.certified:
            given += 1
            broken += true_precision(point.threshold) < target
    assert broken / splits <= delta
    assert given / splits > 0.1  # it is no guarantee by certifying nothing


def test_retrieval_lets_more_be_answered_than_is_known() -> None:
    # 50 known with high confidence, 50 unknown; retrieval has all but ten of the unknown right.
    confidence = tuple([0.9] * 50 + [0.1] * 50)
    outcomes = Outcomes(
        confidence=confidence,
        direct=tuple([True] * 50 + [False] * 50),
        retrieved=tuple([False] * 50 + [True] * 40 + [None] * 10),
    )
    point = certify_jointly(0.9, outcomes, outcomes, 0.1)
    assert point.certified
    assert (point.threshold, point.n, point.precision) == (0.9, 90, 1.0)
    assert (point.coverage, point.direct) == (0.9, 0.5)
    assert point.bound == pytest.approx(clopper_pearson_lower(90, 90, 0.1))
    assert joint_grid(outcomes, 0.1) == [0.9, 0.1]


def test_what_cannot_be_certified_says_what_it_would_take() -> None:
    few = Outcomes(confidence=(0.9,) * 20, direct=(True,) * 20, retrieved=(None,) * 20)
    point = certify_jointly(0.9, few, few, 0.1)
    assert not point.certified
    assert point.needed == needed_for(0.9, 0.1) == 22
    wrong = few.model_copy(update={"direct": (False,) * 20})
    assert certify_jointly(0.9, wrong, wrong, 0.1).needed is None
    nothing = Outcomes(confidence=(), direct=(), retrieved=())
    empty = certify_jointly(0.9, nothing, nothing, 0.1)
    assert (empty.certified, empty.n, empty.precision) == (False, 0, None)


@pytest.mark.parametrize("precision", [1.0, 0.97, 0.93])
@pytest.mark.parametrize("delta", [0.05, 0.1])
def test_as_many_answers_as_are_needed_are_enough(precision: float, delta: float) -> None:
    n = answers_needed(precision, 0.9, delta)
    assert n is not None
    assert clopper_pearson_lower(int(precision * n), n, delta) >= 0.9
    half = n // 2
    assert clopper_pearson_lower(int(precision * half), half, delta) < 0.9
    assert answers_needed(0.9, 0.9, delta) is None


def test_the_cheapest_threshold_counts() -> None:
    # Few answers without an error need fewer questions than many with some, or the other way round.
    curve = [(0.9, 0.1, 0.0), (0.5, 0.5, 0.02), (0.1, 1.0, 0.5)]
    by_hand = min(needed_for(0.95, 0.1) / 0.1, (answers_needed(0.98, 0.95, 0.1) or 0) / 0.5)
    assert questions_needed(curve, 0.95, 0.1) == round(by_hand)
    assert questions_needed([(0.1, 1.0, 0.5)], 0.95, 0.1) is None
