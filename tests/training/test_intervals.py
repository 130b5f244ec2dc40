import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from training.intervals import clopper_pearson_lower, wilson

CASES = [(18, 44), (0, 10), (10, 10), (1, 1), (317, 400), (5, 9)]


@pytest.mark.parametrize(("successes", "n"), CASES)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_is_scipys(successes: int, n: int, confidence: float) -> None:
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert wilson(successes, n, confidence) == pytest.approx((expected.low, expected.high))


def test_the_articles_44_questions_prove_little() -> None:
    low, high = wilson(18, 44)
    assert (round(low, 2), round(high, 2)) == (0.28, 0.56)


def test_wilson_of_nothing_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), CASES)
@pytest.mark.parametrize("delta", [0.01, 0.05, 0.1])
def test_clopper_pearson_is_scipys(successes: int, n: int, delta: float) -> None:
    expected = binomtest(successes, n, alternative="greater").proportion_ci(1 - delta)
    assert clopper_pearson_lower(successes, n, delta) == pytest.approx(expected.low)


@pytest.mark.parametrize(("n", "bound"), [(9, 0.70), (14, 0.80), (29, 0.90), (59, 0.95)])
def test_answers_without_an_error_that_certify_a_precision(n: int, bound: float) -> None:
    assert clopper_pearson_lower(n, n) >= bound > clopper_pearson_lower(n - 1, n - 1)


def test_no_answer_proves_nothing() -> None:
    assert clopper_pearson_lower(0, 0) == 0.0


@given(n=st.integers(1, 120), p=st.floats(0.02, 0.98), delta=st.sampled_from([0.05, 0.1]))
def test_the_bound_is_above_the_truth_with_probability_delta_at_most(
    n: int, p: float, delta: float
) -> None:
    missed = sum(binom.pmf(k, n, p) for k in range(n + 1) if clopper_pearson_lower(k, n, delta) > p)
    assert missed <= delta + 1e-9
