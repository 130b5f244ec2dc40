"""The whole evaluation on a real, small language model that was trained here a moment ago."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.plot import draw_risk_coverage
from eval.report import report, write_report
from eval.run import evaluate
from eval.settings import EvaluationSettings
from eval.table import table as table_of
from tests.eval.world import PREFIX, Library, base_folder, calibrated, questions

pytestmark = pytest.mark.slow


def test_a_real_model_is_evaluated(tmp_path: Path) -> None:
    from training.engine.local import LocalModel

    asked = questions()
    model = LocalModel.load(base_folder(tmp_path, asked), refusal_prefix=PREFIX)
    result = evaluate(
        questions=asked,
        base_model=model,
        attempter=calibrated(model, asked),
        chain=Library(asked[10:36]),
        settings=EvaluationSettings(latency_questions=4, resamples=100, max_new_tokens=12),
        folder=tmp_path / "run",
        progress=False,
    )
    table = table_of(result)
    base, fallback = table["arms"]["base"], table["arms"]["calibrated_fallback"]
    # It has seen 60% of the subjects, and never a refusal.
    assert 0.3 < base["precision"] < 0.8
    assert base["coverage"] == 1
    # How well depends on how this miniature came out; that it tells right from wrong does not.
    assert table["confidence"]["auroc_interval"][0] > 0.5
    assert table["arms"]["calibrated"]["precision"] > base["precision"]
    assert fallback["accuracy"] > base["accuracy"]
    assert 0 < fallback["retrieval_rate"] < 1
    assert base["p50_ms"] > 0
    assert base["completion_tokens"] > 2
    files = write_report(result, report(result), tmp_path / "report")
    assert files["json"].exists()
    draw_risk_coverage(result, tmp_path / "risk.png", table)
