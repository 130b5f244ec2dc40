"""Routing, the oracle, cost, curves and breakdowns on the forty questions of small.py."""

from __future__ import annotations

import math

import pytest

from eval.bootstrap import weights
from eval.breakdown import breakdown, popularity_bands
from eval.cost import Prices, cost_per_thousand, usage
from eval.curves import curves, reliability
from eval.oracle import oracle
from eval.result import EvaluationResult
from eval.routing import routing_figures
from eval.table import table as table_of
from tests.eval.scripted import question
from tests.eval.small import QUESTIONS, run_small


def test_needed_and_called(small: EvaluationResult) -> None:
    found = routing_figures(small, "calibrated_fallback")
    assert found is not None
    # The model is right by itself on 0–15 and 18; 12–15 and 18–39 are retrieved for.
    assert found["needed_called"] == {
        "needed_called": 21,  # 19–39
        "needed_not_called": 2,  # 16, 17: wrong and sure
        "not_needed_called": 5,  # 12–15, 18
        "not_needed_not_called": 12,
    }
    assert found["distraction"]["value"] == found["lost"]["value"] == 0
    assert (found["distraction"]["n"], found["rescue"]["n"]) == (5, 26)
    assert found["rescue"]["value"] == 16 / 26
    assert found["citation_support"] == {
        "value": 1.0,
        "interval": pytest.approx((0.806, 1), abs=1e-3),
        "n": 16,
    }
    assert found["unsupported"]["value"] == 0


def test_always_retrieving_loses_what_the_library_lacks(small: EvaluationResult) -> None:
    found = routing_figures(small, "always_retrieve")
    assert found is not None
    assert found["lost"]["value"] == 10 / 17  # 0–9 of 0–15 and 18
    assert routing_figures(small, "base") is None


def test_evidence_that_misleads_is_distraction() -> None:
    from tests.eval.world import Library

    wrong = [q.model_copy(update={"gold": QUESTIONS[0].gold}) for q in QUESTIONS[12:16]]
    found = routing_figures(run_small(chain=Library(wrong)), "calibrated_fallback")
    assert found is not None
    assert (found["distraction"]["value"], found["distraction"]["n"]) == (4 / 5, 5)
    assert found["citation_support"]["value"] is None  # no right answer to support


def test_no_routing_beats_the_oracle(small: EvaluationResult) -> None:
    best = oracle(small)
    assert best is not None
    verdicts = [r.verdict for r in best.records]
    # Right by itself 0–15 and 18, by retrieval 16, 17 and 19–29.
    assert verdicts.count("correct") == 30
    assert verdicts.count("refused") == 10
    assert [r.retrieved for r in best.records].count(True) == 13
    for arm in small.arms.values():
        assert sum(r.verdict == "correct" for r in arm.records) <= 30
    assert oracle(run_small(chain=None)) is None


def test_cost_by_hand() -> None:
    prices = Prices(million_prompt_tokens=2, million_completion_tokens=8, thousand_retrievals=30)
    assert cost_per_thousand(100, 10, 0.5, prices) == pytest.approx(0.2 + 0.08 + 15)


def test_usage(small: EvaluationResult) -> None:
    base, arm = small.arms["base"].records, small.arms["calibrated_fallback"].records
    draws = weights([q.id for q in QUESTIONS], 400, 0)
    figures = usage(arm, draws, Prices(thousand_retrievals=1), base)
    assert figures["retrievals"] == figures["cost_per_thousand"] == 26 / 40
    assert figures["lm_calls"] == (16 * 1 + 24 * 2) / 40  # a refusal is asked again
    written, said = (sum(r.completion_tokens for r in records) for records in (base, arm))
    assert figures["tokens_saved"] == pytest.approx(1 - said / written)
    for name in ("retrievals", "lm_calls", "completion_tokens", "tokens_saved"):
        low, high = figures[f"{name}_interval"]
        assert low < figures[name] < high, name
    # A mean of zeros and ones: its bootstrap interval is about p ± 1.96 √(p (1 − p) / n).
    half = 1.96 * (0.65 * 0.35 / 40) ** 0.5
    assert figures["retrievals_interval"] == pytest.approx((0.65 - half, 0.65 + half), abs=0.04)
    assert usage(base, draws, None, base)["tokens_saved"] == 0
    assert usage(base, draws)["tokens_saved"] is None


def test_curves_end_where_the_arms_do(small: EvaluationResult) -> None:
    found = curves(small)
    direct, fallback = found["calibrated"], found["calibrated_fallback"]
    assert [p.coverage for p in direct] == [14 / 40, 20 / 40, 1]
    assert direct[0].precision == 12 / 14
    assert direct[-1].precision == 17 / 40
    first, at_point = fallback[0], fallback[1]
    assert (first.threshold, first.retrieval_rate) == (None, 1)
    assert (first.coverage, first.precision) == (0.5, 1)  # always_retrieve
    assert at_point.threshold == 0.9
    table = table_of(small)["arms"]["calibrated_fallback"]
    assert at_point.coverage == table["coverage"]
    assert at_point.precision == pytest.approx(table["precision"])
    assert at_point.retrieval_rate == table["retrieval_rate"]
    assert fallback[-1].retrieval_rate == 0
    assert fallback[-1].precision == direct[-1].precision


def test_reliability_bins_hold_everybody() -> None:
    rows = reliability([0.05, 0.95, 1.0, 0.95], [False, True, True, False], list("abcd"))
    assert [(r["low"], r["n"], r["accuracy"]) for r in rows] == [(0.0, 1, 0), (0.9, 3, 2 / 3)]
    assert sum(r["n"] for r in rows) == 4


def test_breakdown_adds_up(small: EvaluationResult) -> None:
    assert breakdown(small) == {}  # one relation, one language, no popularity
    kinds = ["capital", "currency", "river"]
    asked = [
        question(i, relation=kinds[i % 3], popularity=float(i), language=("zh", "en")[i % 2])
        for i in range(40)
    ]
    found = breakdown(run_small(questions=asked))
    assert list(found) == ["relation", "popularity", "language"]
    assert list(found["relation"]) == ["capital", "currency", "river"]
    assert len(found["popularity"]) == 5
    for dimension in found.values():
        assert sum(s["n"] for s in dimension.values()) == 40
        assert sum(s["known"] for s in dimension.values()) == 16
        for arm in small.arms:
            total = sum(s["arms"][arm]["correct"] for s in dimension.values())
            assert total == sum(r.verdict == "correct" for r in small.arms[arm].records)


def test_popularity_bands() -> None:
    assert popularity_bands([1.0, 3.0, None, 1.0]) == ["1: 1", "2: 3", None, "1: 1"]
    bands = popularity_bands([math.exp(i / 10) for i in range(100)])
    assert [bands.count(b) for b in sorted(set(map(str, bands)))] == [20] * 5
    assert popularity_bands([None]) == [None]
