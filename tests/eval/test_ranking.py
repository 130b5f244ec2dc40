"""The measures agree with independent implementations and with values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, average_precision_score, brier_score_loss, roc_auc_score

from eval.bootstrap import weights
from eval.ranking import augrc, average_precision, prr, ranking_figures
from training.selective import aurc, auroc, brier, ece

RNG = np.random.default_rng(7)
SCORES = RNG.random(400)
TIED = np.round(SCORES, 1)
RIGHT = RNG.random(400) < SCORES


@pytest.mark.parametrize("scores", [SCORES, TIED])
def test_scikit_learn_agrees(scores: np.ndarray) -> None:
    assert auroc(scores, RIGHT) == pytest.approx(roc_auc_score(RIGHT, scores), abs=1e-9)
    assert average_precision(scores, RIGHT) == pytest.approx(
        average_precision_score(RIGHT, scores), abs=1e-9
    )
    assert brier(scores, RIGHT) == pytest.approx(brier_score_loss(RIGHT, scores), abs=1e-9)


def _lm_polygraph_area(uncertainty: np.ndarray, quality: np.ndarray) -> float:
    """PredictionRejectionArea as LM-Polygraph computes it (ue_metrics/pred_rej_area.py)."""
    order = np.argsort(uncertainty)
    cumulated = np.cumsum(quality[order])
    scores = (cumulated / np.arange(1, len(order) + 1))[::-1]
    return float(np.sum(scores) / len(order))


def test_lm_polygraphs_formula_agrees() -> None:
    quality = RIGHT.astype(float)
    area = _lm_polygraph_area(-SCORES, quality)
    oracle = _lm_polygraph_area(-quality, quality)
    chance = quality.mean()
    expected = (area - chance) / (oracle - chance)
    assert prr(SCORES, RIGHT) == pytest.approx(expected, abs=1e-9)
    # AURC is one minus the same area.
    assert aurc(SCORES, RIGHT) == pytest.approx(1 - area, abs=1e-9)


def test_augrc_is_the_area_of_its_definition() -> None:
    """By the rectangle rule over W(k)/N against k/N."""
    order = np.argsort(-SCORES)
    generalised = np.cumsum(~RIGHT[order]) / len(order)
    assert augrc(SCORES, RIGHT) == pytest.approx(generalised.mean(), abs=1e-9)
    # Traub et al. 2024, eq. 9: (1 − AUROC) · acc · (1 − acc) + ½ (1 − acc)², up to 1/2N.
    acc = RIGHT.mean()
    closed = (1 - auroc(SCORES, RIGHT)) * acc * (1 - acc) + 0.5 * (1 - acc) ** 2
    assert augrc(SCORES, RIGHT) == pytest.approx(closed, abs=1 / len(order))
    trapezes = auc(np.arange(len(order) + 1) / len(order), np.append(0, generalised))
    assert trapezes == pytest.approx(closed, abs=1e-9)


def test_ece_is_its_definition() -> None:
    """Guo et al. 2017, eq. 3, with the bins of scikit-learn's calibration curve."""
    accuracy, confidence = calibration_curve(RIGHT, SCORES, n_bins=10)
    sizes, _ = np.histogram(SCORES, np.linspace(0, 1, 11))
    expected = float((sizes * np.abs(accuracy - confidence)).sum() / sizes.sum())
    assert ece(SCORES, RIGHT) == pytest.approx(expected, abs=1e-9)


def test_a_perfect_and_a_constant_confidence() -> None:
    perfect = RIGHT.astype(float)
    assert auroc(perfect, RIGHT) == average_precision(perfect, RIGHT) == 1
    untied = perfect + SCORES / 10
    assert prr(untied, RIGHT) == pytest.approx(1)
    constant = np.ones(400)
    assert auroc(constant, RIGHT) == 0.5
    assert prr(constant, RIGHT) == pytest.approx(0)
    assert aurc(constant, RIGHT) == pytest.approx(1 - RIGHT.mean())


def test_one_class_alone_gives_no_ranking() -> None:
    figures = ranking_figures([0.1, 0.2], [True, True], weights(["a", "b"], 30, 0))
    assert figures["auroc"] is None
    assert figures["auroc_interval"] is None
    assert figures["aurc"] == 0


@pytest.mark.parametrize("transform", [lambda s: s**3, lambda s: np.log(s + 1e-3), lambda s: 5 * s])
def test_only_the_order_counts(transform) -> None:
    for measure in (auroc, aurc, augrc, prr, average_precision):
        assert measure(transform(SCORES), RIGHT) == pytest.approx(measure(SCORES, RIGHT), abs=1e-12)


@pytest.mark.parametrize("measure", [auroc, aurc, augrc, prr, average_precision])
def test_the_order_of_rows_does_not_count(measure) -> None:
    order = RNG.permutation(400)
    assert measure(TIED[order], RIGHT[order]) == pytest.approx(measure(TIED, RIGHT), abs=1e-12)


def test_the_interval_holds_the_value_and_narrows_with_n() -> None:
    def width(n: int) -> float:
        draws = weights([str(i) for i in range(n)], 200, 1)
        figures = ranking_figures(SCORES[:n], RIGHT[:n], draws)
        low, high = figures["auroc_interval"]
        assert low < figures["auroc"] < high
        return high - low

    assert width(400) < width(60)
