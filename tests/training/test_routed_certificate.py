"""Direct and retrieved answers under one promise."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import CalibrationSettings
from training.certificate import NEVER, Answers
from training.routed_certificate import LookedUp, certify_retrieved, routed_points

ANSWERED = 0.7  # how often retrieval answers
SETTINGS = CalibrationSettings(targets=(0.85,), profiles={"webqa": 0.9}, default_profile="webqa")


def drawn(rng: np.random.Generator, n: int) -> LookedUp:
    """P(right | c) = √c of direct answers and of retrieved ones, independent of each other."""
    direct, retrieved = rng.random(n), rng.random(n)
    right = rng.random(n) < direct**0.5
    found = rng.random(n) < ANSWERED
    members, strata = np.arange(n), np.full(n, "", dtype=str)
    return LookedUp(
        retrieved=Answers(
            np.where(found, retrieved, -np.inf),
            found & (rng.random(n) < retrieved**0.5),
            members,
            strata,
        ),
        direct=Answers(direct, right, members, strata),
    )


def true_precision(threshold: float) -> float:
    t = min(max(threshold, 0.0), 1 - 1e-12)
    return 2 / 3 * (1 - t**1.5) / (1 - t)


def test_the_promise_for_both_routes_breaks_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(4)
    draws, broken, both = 60, 0, 0
    for _ in range(draws):
        fitting, certifying = drawn(rng, 1500), drawn(rng, 3000)
        (point,) = (
            p
            for p in routed_points(
                fitting.direct, certifying.direct, (fitting, certifying), SETTINGS
            )
            if p.name == "webqa"
        )
        if not point.certified:
            continue
        thresholds = [point.threshold] if point.threshold <= 1 else []
        if point.retrieved is not None:
            thresholds.append(point.retrieved.threshold)
        both += len(thresholds) == 2
        broken += any(true_precision(t) < 0.9 for t in thresholds)
    assert broken / draws <= 0.1
    assert both / draws > 0.1


def perfect(n: int, *, direct_right: bool) -> LookedUp:
    entities = range(n)
    return LookedUp(
        retrieved=Answers.of([0.9] * n, [True] * n, entities),
        direct=Answers.of([0.9, 0.1] * (n // 2), [direct_right] * n, entities),
    )


def test_where_only_retrieval_keeps_the_promise_nothing_is_answered_directly() -> None:
    world = perfect(200, direct_right=False)
    for point in routed_points(world.direct, world.direct, (world, world), SETTINGS):
        assert point.certified
        assert (point.threshold, point.n, point.coverage) == (NEVER, 0, 0.0)
        assert point.retrieved is not None
        assert (point.retrieved.certified, point.retrieved.n) == (True, 200)


def test_a_retrieved_answer_has_to_be_as_good_where_the_model_does_not_know() -> None:
    # Retrieval is right where the model is sure, and wrong where it is not: over all questions it would pass.
    n = 2000
    sure = np.arange(n) % 10 > 0
    world = LookedUp(
        retrieved=Answers.of([0.9] * n, sure.tolist(), range(n)),
        direct=Answers.of(np.where(sure, 0.9, 0.1).tolist(), sure.tolist(), range(n)),
    )
    assert certify_retrieved(0.8, world.direct, world, world, 0.1) is None


@pytest.mark.parametrize("n", [0, 5])
def test_too_little_proves_nothing(n: int) -> None:
    few = perfect(2 * n, direct_right=True)
    for point in routed_points(few.direct, few.direct, (few, few), SETTINGS):
        assert not point.certified
        assert point.retrieved is None
