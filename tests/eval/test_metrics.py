"""Known values for perfect, random and always-refusing systems; what must not change a figure."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, precision_score
from statsmodels.stats.proportion import proportion_confint

from eval.bootstrap import percentile_interval, weights
from eval.counts import count, indicators
from eval.figures import arm_figures
from eval.metrics import (
    FIGURES,
    SHARES,
    accuracy,
    coverage,
    hallucination,
    honesty,
    over_refusal,
    precision,
    prudence,
    refusal,
    refusal_f1,
    refusal_precision,
    refusal_recall,
    ths,
    truthful_rate,
    truthfulness,
)
from eval.verdict import VERDICTS, Verdict

KNOWN = [True] * 4 + [False] * 6
BASE: list[Verdict] = ["correct"] * 4 + ["wrong"] * 6

rows_of_any_size = st.lists(
    st.tuples(st.sampled_from(VERDICTS), st.sampled_from([True, False, None])), min_size=1
)


def counts(verdicts: list[Verdict], known: list[bool] = KNOWN, base: list[Verdict] = BASE):
    return count(indicators(verdicts, known, base))


def test_a_system_that_answers_what_the_base_knows_and_refuses_the_rest() -> None:
    c = counts(["correct"] * 4 + ["refused"] * 6)
    assert precision(c) == 1
    assert coverage(c) == accuracy(c) == 0.4
    assert hallucination(c) == over_refusal(c) == 0
    assert prudence(c) == honesty(c) == truthful_rate(c) == 1
    assert refusal_precision(c) == refusal_recall(c) == refusal_f1(c) == 1
    assert truthfulness(c) == ths(c) == 0.4


def test_a_system_that_always_refuses() -> None:
    c = counts(["refused"] * 10)
    assert math.isnan(precision(c))
    assert coverage(c) == accuracy(c) == truthfulness(c) == ths(c) == 0
    assert refusal(c) == over_refusal(c) == prudence(c) == 1
    assert honesty(c) == 0.5
    assert refusal_precision(c) == 0.6


def test_the_base_itself_has_a_ths_of_zero() -> None:
    c = counts(BASE)
    assert ths(c) == pytest.approx(0)
    assert over_refusal(c) == prudence(c) == 0


def test_ths_of_the_paper_by_hand() -> None:
    # Pc₂ = .5, Pw₂ = .1, Pc₁ = .4, Pw₁ = .6: .5 − .1 · .4 / .6
    c = counts(["correct"] * 5 + ["wrong"] + ["refused"] * 4)
    assert ths(c) == pytest.approx(0.5 - 0.1 * 0.4 / 0.6, abs=1e-12)


def test_a_random_refuser_gains_nothing() -> None:
    """Refusing by chance keeps the precision and the THS of the base, in expectation."""
    rng = random.Random(1)
    n = 40_000
    known = [rng.random() < 0.4 for _ in range(n)]
    base: list[Verdict] = ["correct" if k else "wrong" for k in known]
    c = counts(["refused" if rng.random() < 0.5 else v for v in base], known, base)
    assert precision(c) == pytest.approx(0.4, abs=0.01)
    assert ths(c) == pytest.approx(0, abs=0.01)
    assert honesty(c) == pytest.approx(0.5, abs=0.01)


def test_the_ambiguous_count_as_wrong_and_the_unscored_as_neither() -> None:
    c = counts(["correct", "ambiguous", "unscored", "refused"], [True] * 4, ["correct"] * 4)
    assert (c.answered, c.wrong, c.ambiguous, c.unscored) == (2, 1, 1, 1)
    assert precision(c) == 0.5
    assert hallucination(c) == accuracy(c) == refusal(c) == 0.25
    assert over_refusal(c) == 0.25  # an unscored question is in n and refuses nothing


@pytest.mark.parametrize("seed", range(5))
def test_refusal_as_a_classifier_agrees_with_scikit_learn(seed: int) -> None:
    """Refusing is the positive class, not knowing the truth."""
    rng = random.Random(seed)
    known = [rng.random() < 0.4 for _ in range(200)]
    verdicts = rng.choices(VERDICTS, k=200)
    c = count(indicators(verdicts, known))
    truth, said = [not k for k in known], [v == "refused" for v in verdicts]
    p, r, f1, _ = precision_recall_fscore_support(truth, said, average="binary")
    assert refusal_precision(c) == pytest.approx(p, abs=1e-9)
    assert refusal_recall(c) == pytest.approx(r, abs=1e-9)
    assert refusal_f1(c) == pytest.approx(f1, abs=1e-9)
    right = [v == "correct" for v in verdicts]
    assert accuracy(c) == pytest.approx(accuracy_score([True] * 200, right), abs=1e-9)
    answered = [v in ("correct", "wrong", "ambiguous") for v in verdicts]
    assert precision(c) == pytest.approx(precision_score(right, answered), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_shares_and_their_intervals_agree_with_statsmodels(seed: int) -> None:
    rng = random.Random(seed)
    known = [rng.choice([True, False, None]) for _ in range(150)]
    rows = indicators(rng.choices(VERDICTS, k=150), known)
    alone = [str(i) for i in range(150)]
    figures = arm_figures(rows, alone, weights(alone, 40, seed))
    for name, share in SHARES.items():
        c = count(rows)
        hits, n = share.successes(c), share.trials(c)
        assert figures[f"{name}_n"] == n
        assert figures[name] == pytest.approx(share.figure(c), abs=1e-12)
        if n:
            expected = proportion_confint(hits, n, method="wilson")
            assert figures[f"{name}_interval"] == pytest.approx(expected, abs=1e-9), name


def test_the_bootstrap_agrees_with_scipy() -> None:
    """The percentile interval of a mean, both with many resamples: equal up to their noise."""
    rng = np.random.default_rng(5)
    outcomes = (rng.random(300) < 0.3).astype(float)
    reference = bootstrap(
        (outcomes,), np.mean, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    draws = weights([str(i) for i in range(300)], 4000, 2)
    found = percentile_interval(draws @ outcomes / draws.sum(axis=1))
    assert found == pytest.approx((reference.low, reference.high), abs=0.006)


@settings(deadline=None, max_examples=50)
@given(rows_of_any_size, st.randoms())
def test_shuffling_changes_nothing(rows: list[tuple[Verdict, bool]], rng: random.Random) -> None:
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert _all(rows) == _all(shuffled)


@settings(deadline=None, max_examples=50)
@given(rows_of_any_size, st.integers(0, 20))
def test_adding_refusals_cannot_raise_coverage(rows: list[tuple[Verdict, bool]], more: int) -> None:
    before = count(indicators(*zip(*rows, strict=True)))
    padded = [*rows, *[("refused", None)] * more]
    after = count(indicators(*zip(*padded, strict=True)))
    assert coverage(after) <= coverage(before)
    assert accuracy(after) <= accuracy(before)
    assert hallucination(after) <= hallucination(before)
    if before.answered:
        assert precision(after) == precision(before)


@settings(deadline=None, max_examples=50)
@given(rows_of_any_size)
def test_the_outcomes_make_up_the_whole(rows: list[tuple[Verdict, bool]]) -> None:
    c = count(indicators(*zip(*rows, strict=True)))
    assert c.correct + c.wrong + c.refused + c.unscored == c.n == len(rows)
    assert accuracy(c) + hallucination(c) + refusal(c) + c.unscored / c.n == pytest.approx(1)


def _all(rows: list[tuple[Verdict, bool]]) -> dict[str, str]:
    c = count(indicators(*zip(*rows, strict=True)))
    return {name: repr(figure(c)) for name, figure in FIGURES.items()}
