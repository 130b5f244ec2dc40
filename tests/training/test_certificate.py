"""The certificate of direct answers, by entity and by stratum."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import CalibrationSettings, best_guess, needed_for
from training.certificate import (
    Answers,
    answers_needed,
    certify,
    closed_strata,
    direct_point,
    grid_for,
    operating_points,
    questions_needed,
)
from training.intervals import clopper_pearson_lower

SETTINGS = CalibrationSettings()
SIZES = np.array([1, 2, 3, 4, 6])


def drawn(rng: np.random.Generator, entities: int, *, together: bool = False) -> Answers:
    """A world in which P(right | c) = √c. ``together``: an entity has one confidence for all its
    questions, which are all right or all wrong."""
    sizes = rng.choice(SIZES, entities) if together else np.ones(entities, int)
    members = np.repeat(np.arange(entities), sizes)
    confidence = rng.random(entities)
    right = rng.random(entities) < confidence**0.5
    return Answers(
        confidence[members], right[members], members, np.full(len(members), "", dtype=str)
    )


def true_precision(threshold: float) -> float:
    """E[√c | c ≥ t] of that world: (2/3)(1 − t^1.5) / (1 − t)."""
    t = min(max(threshold, 0.0), 1 - 1e-12)
    return 2 / 3 * (1 - t**1.5) / (1 - t)


def test_the_worlds_precision() -> None:
    for together in (False, True):
        world = drawn(np.random.default_rng(0), 300_000, together=together)
        for threshold in (0.0, 0.3, 0.8):
            found = world.precision(world.above(threshold))
            assert found == pytest.approx(true_precision(threshold), abs=0.006)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("target", "delta"), [(0.80, 0.1), (0.90, 0.1)])
def test_the_promise_breaks_as_rarely_as_it_says(
    target: float, delta: float, together: bool
) -> None:
    """With ``together`` the entities are right as a whole, or wrong as a whole."""
    rng = np.random.default_rng(1)
    draws, broken, given, naive = 400, 0, 0, 0
    for _ in range(draws):
        fitting = drawn(rng, 250, together=together)
        certifying = drawn(rng, 250, together=together)
        found = certify(target, grid_for(target, fitting, delta), certifying, delta)
        if found is not None:
            given += 1
            broken += true_precision(found) < target
        guess = best_guess(target, certifying.confidence.tolist(), certifying.right.tolist(), delta)
        naive += true_precision(guess.threshold) < target
    assert broken / draws <= delta
    assert given / draws > 0.1  # it is no guarantee by certifying nothing
    assert naive / draws > 2 * delta  # without the test the promise would be broken


def alone(confidence: list[float], right: list[bool], strata: list[str] | None = None) -> Answers:
    return Answers.of(confidence, right, range(len(confidence)), strata or ())


def test_certify_stops_at_the_first_threshold_that_fails() -> None:
    # 40 right above 0.9, then 10 wrong, then 400 right: fixed-sequence testing must not jump the gap.
    answers = alone(
        [0.95] * 40 + [0.5] * 10 + [0.2] * 400, [True] * 40 + [False] * 10 + [True] * 400
    )
    assert certify(0.9, [0.9, 0.5, 0.2], answers, 0.1) == 0.9
    assert clopper_pearson_lower(440, 450, 0.1) > 0.9  # which the last threshold alone would pass


def test_nothing_certifiable() -> None:
    assert certify(0.9, [0.5], alone([0.9] * 10, [True] * 10), 0.1) is None  # too few
    assert certify(0.9, [0.5], alone([0.9] * 100, [False] * 100), 0.1) is None
    assert certify(0.9, [0.5], alone([0.1] * 100, [True] * 100), 0.1) is None  # none above
    assert certify(0.9, [], alone([0.9], [True]), 0.1) is None
    assert certify(0.9, [0.5], alone([], []), 0.1) is None


def test_answers_about_one_entity_prove_as_little_as_one() -> None:
    many = Answers.of([0.9] * 100, [True] * 100, ["same"] * 100)
    assert certify(0.7, [0.5], many, 0.1) is None
    assert certify(0.7, [0.5], alone([0.9] * 100, [True] * 100), 0.1) == 0.5


def popular_and_obscure(n: int) -> Answers:
    """Of the popular all are right above .5, of the obscure two in three."""
    confidence = [0.9, 0.2] * n
    strata = ["5"] * n + ["1"] * n
    right = [
        c > 0.5 and (stratum == "5" or i % 3 > 0)
        for i, (c, stratum) in enumerate(zip(confidence, strata, strict=True))
    ]
    return alone(confidence, right, strata)


def test_a_stratum_that_misses_the_target_is_closed() -> None:
    answers = popular_and_obscure(300)
    assert answers.precision(answers.above(0.5)) == pytest.approx(5 / 6, abs=0.01)
    assert closed_strata(0.8, answers) == ("1",)
    point = direct_point("p", 0.8, answers, answers, 0.1)
    assert (point.certified, point.closed, point.threshold) == (True, ("1",), 0.9)
    assert point.n == 150
    assert point.coverage == pytest.approx(0.25)


def test_less_popular_bands_are_closed_with_a_weak_one() -> None:
    weak = popular_and_obscure(300)
    few = alone([0.9, 0.9], [True, True], ["0", "0"])  # too few answers to tell
    both = Answers(
        np.append(weak.confidence, few.confidence),
        np.append(weak.right, few.right),
        np.arange(weak.n + few.n),
        np.append(weak.strata, few.strata),
    )
    assert closed_strata(0.8, both) == ("0", "1")


def test_without_strata_nothing_is_closed() -> None:
    world = drawn(np.random.default_rng(5), 2000)
    assert closed_strata(0.9, world) == ()
    assert closed_strata(0.9, alone([0.5] * 9, [False] * 9)) == ()


def test_an_uncertified_point_says_so_and_may_answer_nothing() -> None:
    wrong = alone(np.random.default_rng(2).random(60).tolist(), [False] * 60)
    points = operating_points(wrong, wrong, CalibrationSettings(targets=(0.9,)))
    assert {p.name for p in points} == {"precision-0.90", "chat", "webqa", "strict"}
    for point in points:
        assert (point.certified, point.coverage) == (False, 0.0)
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
        above = certifying.above(point.threshold)
        assert point.n == above.sum()
        assert point.target_precision is not None
        found = clopper_pearson_lower(int(certifying.right[above].sum()), point.n, SETTINGS.delta)
        assert found >= point.target_precision
    # a stricter target is never answered more often
    coverage = [
        p.coverage for t in SETTINGS.targets if (p := points[f"precision-{t:.2f}"]).certified
    ]
    assert coverage == sorted(coverage, reverse=True)


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
