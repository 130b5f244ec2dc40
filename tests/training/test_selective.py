import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from training.selective import (
    CurvePoint,
    aurc,
    auroc,
    brier,
    coverage_at_precision,
    ece,
    point_at_precision,
    risk_coverage,
)

OUTCOMES = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.5001, 0.9]), st.booleans()))


def test_risk_coverage_by_hand() -> None:
    # best first: right, wrong, right, wrong
    assert risk_coverage([0.2, 0.9, 0.4, 0.6], [False, True, True, False]) == [
        CurvePoint(0.9, 0.25, 0.0),
        CurvePoint(0.6, 0.5, 0.5),
        CurvePoint(0.4, 0.75, pytest.approx(1 / 3)),
        CurvePoint(0.2, 1.0, 0.5),
    ]


def test_ties_are_answered_together() -> None:
    assert risk_coverage([0.5, 0.5, 0.1], [True, False, True]) == [
        CurvePoint(0.5, pytest.approx(2 / 3), 0.5),
        CurvePoint(0.1, 1.0, pytest.approx(1 / 3)),
    ]


def test_aurc_by_hand() -> None:
    # risks among the k best: 0, 1/2, 1/3, 1/2
    found = aurc([0.2, 0.9, 0.4, 0.6], [False, True, True, False])
    assert found == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_aurc_takes_ties_at_their_expected_order() -> None:
    # all tied: the expected risk of any k is the share of wrong answers
    assert aurc([0.5] * 4, [True, True, True, False]) == pytest.approx(0.25)
    # the tie's order in the list does not matter
    assert aurc([0.9, 0.5, 0.5], [True, True, False]) == aurc([0.9, 0.5, 0.5], [True, False, True])


def test_a_constant_confidence_is_worth_what_chance_is() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(40) < 0.6
    shuffled = [aurc(rng.permutation(40), right) for _ in range(4000)]
    assert aurc([1.0] * 40, right) == pytest.approx(np.mean(shuffled), abs=0.005)


def test_perfect_and_worst_order() -> None:
    right = [True, True, False, False]
    assert aurc([4, 3, 2, 1], right) == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert aurc([1, 2, 3, 4], right) == pytest.approx((1 + 1 + 2 / 3 + 1 / 2) / 4)
    assert auroc([4, 3, 2, 1], right) == 1.0
    assert auroc([1, 2, 3, 4], right) == 0.0


def test_nothing_and_one_class_have_no_value() -> None:
    assert risk_coverage([], []) == []
    assert math.isnan(aurc([], []))
    assert math.isnan(ece([], []))
    assert math.isnan(auroc([0.1, 0.2], [True, True]))
    assert math.isnan(auroc([0.1, 0.2], [False, False]))


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 confidences for 1 outcomes"):
        risk_coverage([0.1, 0.2], [True])


@given(OUTCOMES)
def test_auroc_and_brier_are_sklearns(rows: list[tuple[float, bool]]) -> None:
    scores, right = [s for s, _ in rows], [r for _, r in rows]
    if len({*right}) < 2:
        return
    assert auroc(scores, right) == pytest.approx(roc_auc_score(right, scores))
    assert brier(scores, right) == pytest.approx(brier_score_loss(right, scores))


def test_ece_by_hand() -> None:
    # bin of 0.9: two with mean 0.95, one right; bin of 0.1: one with 0.1, wrong
    assert ece([0.9, 1.0, 0.1], [True, False, False]) == pytest.approx(
        (2 * abs(0.5 - 0.95) + 1 * abs(0.0 - 0.1)) / 3
    )


def test_coverage_at_precision() -> None:
    confidence, right = [0.9, 0.8, 0.7, 0.6], [True, True, False, True]
    assert coverage_at_precision(confidence, right, 1.0) == 0.5
    assert coverage_at_precision(confidence, right, 0.75) == 1.0  # a later point may reach it again
    assert coverage_at_precision([0.9], [False], 0.5) == 0.0
    assert point_at_precision(confidence, right, 0.9) == CurvePoint(0.8, 0.5, 0.0)
    assert point_at_precision([0.9], [False], 0.5) is None


def test_what_was_not_answered_counts_for_the_coverage_alone() -> None:
    curve = risk_coverage([0.9, -math.inf, 0.8, -math.inf], [True, False, False, True])
    assert curve == [CurvePoint(0.9, 0.25, 0.0), CurvePoint(0.8, 0.5, 0.5)]


def test_a_thinned_curve_keeps_both_ends() -> None:
    scores, right = [i / 100 for i in range(100)], [i % 3 > 0 for i in range(100)]
    curve = risk_coverage(scores, right)
    assert risk_coverage(scores, right, most=3) == [curve[0], curve[50], curve[99]]
    assert risk_coverage(scores, right, most=100) == curve


@given(OUTCOMES)
def test_the_curve_ends_at_full_coverage(rows: list[tuple[float, bool]]) -> None:
    curve = risk_coverage([s for s, _ in rows], [r for _, r in rows])
    assert len(curve) == len({s for s, _ in rows})
    assert [p.coverage for p in curve] == sorted(p.coverage for p in curve)
    if rows:
        assert curve[-1].coverage == 1.0
        assert curve[-1].risk == pytest.approx(sum(not r for _, r in rows) / len(rows))
