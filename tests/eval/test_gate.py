from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.errors import EvalError
from eval.gate import gate, parse_threshold, read_report
from eval.result import EvaluationResult
from eval.table import table as table_of

REPORT = {
    "arms": {
        "calibrated": {"over_refusal": 0.05, "over_refusal_interval": [0.02, 0.11]},
        "calibrated_fallback": {
            "precision": 0.93,
            "precision_interval": [0.905, 0.95],
            "known_kept": None,
            "known_kept_interval": None,
        },
    },
    "confidence": {"auroc": 0.96, "auroc_interval": [0.94, 0.98]},
}


@pytest.mark.parametrize(
    ("side", "text", "passed"),
    [
        ("min", "precision=0.9", True),
        ("min", "precision=0.92", False),  # the point would pass, the bound does not
        ("min", "calibrated_fallback.precision=0.905", True),
        ("max", "calibrated.over_refusal=0.10", False),
        ("max", "calibrated.over_refusal=0.12", True),
        ("min", "confidence.auroc=0.93", True),
        ("min", "known_kept=0", False),  # nothing was measured
    ],
)
def test_the_bound_decides(side, text: str, passed: bool) -> None:
    (check,) = gate(REPORT, [parse_threshold(text, side)])
    assert check.passed == passed
    assert ("pass" if passed else "FAIL") in str(check)


@pytest.mark.parametrize("text", ["precision", "precision=high", "=0.9", "precision=nan"])
def test_a_malformed_threshold(text: str) -> None:
    with pytest.raises(EvalError, match=r"precision=0\.9"):
        parse_threshold(text, "min")


@pytest.mark.parametrize(
    ("text", "message"),
    [("precison=0.9", "has no figure"), ("calibrate.precision=0.9", "has no arm")],
)
def test_a_misspelt_gate_does_not_pass(text: str, message: str) -> None:
    with pytest.raises(EvalError, match=message):
        gate(REPORT, [parse_threshold(text, "min")])


def test_no_threshold_and_no_arm() -> None:
    with pytest.raises(EvalError, match="lets everything pass"):
        gate(REPORT, [])
    with pytest.raises(EvalError, match="Name the arm"):
        gate({"arms": {"base": {}}}, [parse_threshold("precision=0.9", "min")])


def test_reports_are_read(tmp_path: Path, small: EvaluationResult) -> None:
    (tmp_path / "report.json").write_text(json.dumps(table_of(small)))
    checks = gate(read_report(tmp_path), [parse_threshold("precision=0.5", "min")])
    assert checks[0].passed
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(EvalError, match="no report"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(EvalError, match="not JSON"):
        read_report(tmp_path / "report.json")
    with pytest.raises(EvalError, match="zhizhi eval"):
        read_report(tmp_path / "none")
