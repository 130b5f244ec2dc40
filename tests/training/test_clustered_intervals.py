"""Questions about one entity stand or fall together: intervals and bounds hold all the same."""

from __future__ import annotations

import numpy as np
import pytest

from training.intervals import (
    Tally,
    clopper_pearson_lower,
    clustered_lower,
    clustered_wilson,
    design_effect,
    tally,
    wilson,
)

WORLDS = 1200
SIZES = np.array([1, 2, 3, 4, 5, 6, 7, 8])  # questions an entity, as the embedded graph has them
SHARES = np.array([0.29, 0.32, 0.17, 0.08, 0.06, 0.04, 0.025, 0.015])


def drawn(rng: np.random.Generator, entities: int, p: float, together: bool) -> Tally:
    """Entities of which every question is right, or none (``together``), or each by itself."""
    trials = rng.choice(SIZES, entities, p=SHARES)
    hits = trials * (rng.random(entities) < p) if together else rng.binomial(trials, p)
    return Tally(hits.astype(float), trials.astype(float))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("entities", "p"), [(60, 0.8), (200, 0.9), (400, 0.95)])
def test_95_percent_intervals_hold_the_truth_and_bounds_break_as_rarely_as_they_say(
    entities: int, p: float, together: bool
) -> None:
    rng = np.random.default_rng(entities)
    held = broken = naive = 0
    for _ in range(WORLDS):
        found = drawn(rng, entities, p, together)
        low, high = clustered_wilson(found)
        held += low <= p <= high
        broken += clustered_lower(found, 0.1) > p
        naive_low, naive_high = wilson(*found.total)
        naive += naive_low <= p <= naive_high
    assert held / WORLDS >= 0.93
    assert broken / WORLDS <= 0.1
    if together:
        assert naive / WORLDS < 0.8  # what counting by question would do


def test_questions_by_themselves_are_counted_as_ever() -> None:
    outcomes = [True] * 18 + [False] * 26
    found = tally(outcomes, [str(i) for i in range(44)])
    assert design_effect(found) == 1.0
    assert clustered_wilson(found) == pytest.approx(wilson(18, 44))
    assert clustered_lower(found, 0.1) == pytest.approx(clopper_pearson_lower(18, 44, 0.1))


def test_copies_of_a_question_prove_nothing_more() -> None:
    outcomes = [True] * 30 + [False] * 10
    once = tally(outcomes, [str(i) for i in range(40)])
    thrice = tally(outcomes * 3, [str(i) for i in range(40)] * 3)
    assert thrice.total == (90.0, 120.0)
    assert design_effect(thrice) == pytest.approx(3.0, rel=0.05)
    assert clustered_lower(thrice, 0.1) == pytest.approx(clustered_lower(once, 0.1), abs=0.01)


def test_without_an_error_entities_count_as_wholes() -> None:
    found = tally([True] * 100, [str(i % 25) for i in range(100)])
    assert design_effect(found) == pytest.approx(4.0)


def test_nothing_proves_nothing() -> None:
    empty = tally([], [])
    assert clustered_wilson(empty) == (0.0, 1.0)
    assert clustered_lower(empty) == 0.0
    with pytest.raises(ValueError, match="2 outcomes for 1 clusters"):
        tally([True, False], ["a"])
