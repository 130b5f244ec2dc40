import math

import pytest

from training.generation import Generation
from training.signals import SIGNALS, confidence_of, signals

GENERATION = Generation(
    text="岳飞。",
    token_logprobs=(-0.1, -0.7, -0.01),
    token_entropies=(0.3, 0.9, 0.0),
    token_margins=(0.8, 0.1, 0.9),
    refusal_probability=0.25,
)


def test_signals_by_hand() -> None:
    found = signals(GENERATION)
    assert tuple(found) == SIGNALS[: len(found)]
    assert set(SIGNALS) - set(found) == {
        "commonness",
        "agreement",
        "knowledge",
        "popularity",
    }  # not of one generation alone
    assert found["refusal_logit"] == pytest.approx(math.log(0.25 / 0.75))
    assert found["sequence_logprob"] == pytest.approx(-0.81)
    assert found["mean_logprob"] == pytest.approx(-0.27)
    assert found["min_logprob"] == pytest.approx(-0.7)
    assert found["mean_entropy"] == pytest.approx(0.4)
    assert found["first_margin"] == pytest.approx(0.8)


def test_the_natural_answers_refusal_probability_goes_before() -> None:
    assert signals(GENERATION, 0.5)["refusal_logit"] == pytest.approx(0)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_certainty_stays_finite(p: float) -> None:
    assert abs(signals(GENERATION, p)["refusal_logit"]) < 25


def test_what_an_engine_cannot_give_is_left_out() -> None:
    assert signals(Generation(text="岳飞。")) == {}


def test_larger_is_surer() -> None:
    assert confidence_of("refusal_logit", 3.0) == -3.0
    assert confidence_of("mean_entropy", 3.0) == -3.0
    assert confidence_of("mean_logprob", -3.0) == -3.0
