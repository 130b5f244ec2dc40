from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import proportion_confint

from eval.bootstrap import percentile_interval, quantile_interval, weights
from eval.counts import indicators
from eval.metrics import accuracy, coverage
from eval.significance import mcnemar, paired_difference
from eval.verdict import Verdict
from training.intervals import wilson

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(("successes", "n"), [(0, 9), (18, 44), (44, 44), (812, 1000)])
def test_wilson_agrees_with_statsmodels(successes: int, n: int) -> None:
    assert wilson(successes, n) == pytest.approx(
        proportion_confint(successes, n, method="wilson"), abs=1e-9
    )


def test_mcnemar_agrees_with_statsmodels() -> None:
    first, second = RNG.random(300) < 0.5, RNG.random(300) < 0.6
    table = [
        [np.sum(first & second), np.sum(first & ~second)],
        [np.sum(~first & second), np.sum(~first & ~second)],
    ]
    found = mcnemar(list(first), list(second))
    assert found.gained == table[1][0]
    assert found.lost == table[0][1]
    assert found.p_value == pytest.approx(reference_mcnemar(table, exact=True).pvalue, abs=1e-9)


def test_equal_arms_do_not_differ() -> None:
    assert mcnemar([True, False], [True, False]) == (0, 0, 1.0)


def _rows(verdicts: list[Verdict]) -> np.ndarray:
    return indicators(verdicts, [None] * len(verdicts))


def test_pairing_narrows_the_interval() -> None:
    """Two arms that differ on one question in twenty, on a set that varies much more."""
    first: list[Verdict] = ["correct" if x else "wrong" for x in RNG.random(400) < 0.5]
    second = [("correct" if i % 20 == 0 else v) for i, v in enumerate(first)]
    draws = weights([str(i) for i in range(400)], 500, 0)
    paired = paired_difference(accuracy, _rows(first), _rows(second), draws)
    assert paired.interval is not None
    assert 0 < paired.interval[0] < paired.value < paired.interval[1]
    unpaired = paired_difference(accuracy, _rows(first), _rows(second[::-1]), draws)
    assert unpaired.interval is not None
    widths = [high - low for low, high in (paired.interval, unpaired.interval)]
    assert widths[0] < widths[1] / 2


def test_an_undefined_figure_has_no_interval() -> None:
    draws = weights(["a"], 50, 0)
    rows = _rows(["refused"])
    assert paired_difference(coverage, rows, rows, draws).value == 0
    assert percentile_interval([float("nan")] * 100) is None


def test_entities_are_drawn_whole() -> None:
    draws = weights(["a", "a", "b", "c", "c"], 100, 5)
    assert draws.shape == (100, 5)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, 3] == draws[:, 4]).all()
    assert (draws[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_clustering_widens_the_interval() -> None:
    """Ten questions about each entity, all right or all wrong together: n is the entities."""
    outcome: list[Verdict] = [v for i in range(40) for v in [("correct", "wrong")[i % 2]] * 10]
    rows = _rows(outcome)
    single = weights([str(i) for i in range(400)], 500, 0)
    whole = weights([str(i // 10) for i in range(400)], 500, 0)

    def width(draws: np.ndarray) -> float:
        from eval.counts import resampled

        interval = percentile_interval(accuracy(resampled(rows, draws)))
        assert interval is not None
        return interval[1] - interval[0]

    assert width(whole) > 2 * width(single)


def test_a_quantile_interval_holds_its_quantile() -> None:
    """In about 95 of 100 samples of an exponential distribution, whose median is ln 2."""
    held = 0
    for _ in range(200):
        interval = quantile_interval(list(RNG.exponential(size=60)), 0.5)
        assert interval is not None
        held += interval[0] <= np.log(2) <= interval[1]
    assert held >= 180
    assert quantile_interval([], 0.5) is None
    assert quantile_interval([3.0], 0.95) == (3.0, 3.0)
