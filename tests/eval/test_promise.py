"""The procedure repeated on draws of entities, held against a population that is known."""

from __future__ import annotations

import numpy as np
import pytest

from eval.promise import Population, bootstrap, hold, interval_coverage, oracle_coverage
from training.attempt import OperatingPoint
from training.calibrate import CalibrationSettings
from training.certificate import NEVER, Answers

SETTINGS = CalibrationSettings(targets=(0.8,), profiles={"webqa": 0.8}).model_copy(
    update={"profiles": {}}
)
POINT = OperatingPoint(
    name="p",
    threshold=0.6,
    target_precision=0.8,
    certified=True,
    n=1,
    coverage=None,
    delta=0.1,
)


@pytest.fixture(scope="module")
def population() -> Population:
    """P(right | c) = c: the signal is its log-odds. Every second question was looked up; three in four of
    those have a retrieved answer, of which nine in ten are right."""
    rng = np.random.default_rng(0)
    entities = 1500
    members = np.repeat(np.arange(entities), rng.choice([1, 2, 3], entities))
    n = len(members)
    confidence = np.clip(rng.random(n), 0.01, 0.99)
    strata = np.full(n, "", dtype=str)
    looked_up = rng.random(n) < 0.5
    given = looked_up & (rng.random(n) < 0.75)
    return Population(
        Answers(confidence, rng.random(n) < confidence, members, strata),
        Answers(np.where(given, 0.9, -np.inf), given & (rng.random(n) < 0.9), members, strata),
        looked_up,
        tuple({"mean_logprob": float(np.log(c / (1 - c)))} for c in confidence),
    )


def test_thresholds_are_held_against_the_population(population: Population) -> None:
    held = hold(population, population.direct.confidence, 0.6, 0.5)
    assert held.direct == pytest.approx(0.8, abs=0.03)
    assert held.retrieved == pytest.approx(0.9, abs=0.03)
    assert held.direct_share == pytest.approx(0.4, abs=0.03)
    assert held.share == pytest.approx(0.4 + 0.6 * 0.75, abs=0.04)
    assert held.precision is not None
    assert held.direct is not None
    assert held.direct < held.precision < 0.9
    assert held.broken(0.85)
    assert not held.broken(0.75)
    nothing = hold(population, population.direct.confidence, NEVER, NEVER)
    assert (nothing.direct, nothing.retrieved, nothing.share) == (None, None, 0.0)
    assert not nothing.broken(0.99)


def test_the_promise_holds_and_is_compared(population: Population) -> None:
    found = bootstrap(population, 1000, SETTINGS, draws=60, seed=7, compared=4)
    found = found["precision-0.80"]
    assert found["draws"] == 60
    assert found["violations"] <= 0.15  # 0.1 is promised; the rest is the chance of 60 draws
    assert found["certified"] == 1.0
    oracle = oracle_coverage(population, 0.8)
    assert 0.15 < found["direct"] <= oracle["oracle_direct"]
    assert found["direct"] < found["coverage"] <= oracle["oracle_coverage"]
    assert set(found["compared"]) == {"coin", "lec", "lec_routed"}
    assert found["compared"]["lec"]["draws"] == 4


def test_whole_entities_stand_or_fall_together(population: Population) -> None:
    wholes = population.all_or_nothing()
    by_entity = {}
    for member, right in zip(wholes.direct.members, wholes.direct.right, strict=True):
        assert by_entity.setdefault(member, right) == right
    printed = interval_coverage(wholes, 700, POINT, draws=150)
    counted = interval_coverage(population, 700, POINT, draws=150)
    for figures in (printed, counted):
        assert all(one["covered"] >= 0.9 for one in figures.values())
    assert printed["accuracy"]["by_question"] < printed["accuracy"]["covered"]
