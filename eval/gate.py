"""Gate: thresholds for continuous integration, held against the bound of the interval, not the point.

precision=0.9                       of the default arm
calibrated.over_refusal=0.1         of a named arm
confidence.auroc=0.93               of the confidence
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from eval.errors import EvalError

DEFAULT_ARMS = ("calibrated_fallback", "calibrated")


class Threshold(NamedTuple):
    """``side`` min: the lower bound must reach ``value``; max: the upper bound must not pass it."""

    side: Literal["min", "max"]
    arm: str | None
    figure: str
    value: float


class Check(NamedTuple):
    """One threshold held against a report. Without a figure or an interval nothing is proven, so it
    fails."""

    threshold: Threshold
    where: str
    value: float | None
    bound: float | None
    passed: bool

    def as_json(self) -> dict[str, Any]:
        threshold = self.threshold._asdict() | {"arm": self.where}
        return {**threshold, "point": self.value, "bound": self.bound, "passed": self.passed}

    def __str__(self) -> str:
        side, _, figure, wanted = self.threshold
        sign = "≥" if side == "min" else "≤"
        if self.bound is None or self.value is None:
            return f"FAIL {self.where}.{figure}: nothing was measured, wanted {sign} {wanted:g}"
        which = "lower" if side == "min" else "upper"
        return (
            f"{'pass' if self.passed else 'FAIL'} {self.where}.{figure}: {which} bound "
            f"{self.bound:.4f} (point {self.value:.4f}), wanted {sign} {wanted:g}"
        )


def parse_threshold(text: str, side: Literal["min", "max"]) -> Threshold:
    """``[arm.]figure=value``. Raises EvalError with what is wrong."""
    name, found, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not found or not name.strip() or value != value:
        raise EvalError(f"--{side} {text!r}: expected [arm.]figure=number, as in precision=0.9.")
    arm, _, figure = name.strip().rpartition(".")
    return Threshold(side, arm or None, figure, value)


def gate(report: dict[str, Any], thresholds: Sequence[Threshold]) -> list[Check]:
    """Hold every threshold against a report or a table. Raises EvalError for an arm or a figure that
    there is none of: a misspelt gate must not pass."""
    if not thresholds:
        raise EvalError("A gate without thresholds lets everything pass. Give --min or --max.")
    return [_check(report, threshold) for threshold in thresholds]


def _check(report: dict[str, Any], threshold: Threshold) -> Check:
    where, figures = _figures(report, threshold.arm)
    if threshold.figure not in figures or f"{threshold.figure}_interval" not in figures:
        known = sorted(k[:-9] for k in figures if k.endswith("_interval"))
        raise EvalError(f"{where} has no figure {threshold.figure!r}. It has: {', '.join(known)}.")
    value, interval = figures[threshold.figure], figures[f"{threshold.figure}_interval"]
    if value is None or interval is None:
        return Check(threshold, where, value, None, False)
    bound = float(interval[0] if threshold.side == "min" else interval[1])
    passed = bound >= threshold.value if threshold.side == "min" else bound <= threshold.value
    return Check(threshold, where, float(value), bound, passed)


def _figures(report: dict[str, Any], arm: str | None) -> tuple[str, dict[str, Any]]:
    arms = report.get("arms") or {}
    if arm is None:
        arm = next((name for name in DEFAULT_ARMS if name in arms), None)
        if arm is None:
            raise EvalError(f"Name the arm: arm.figure=value. There are: {', '.join(arms)}.")
    if arm == "confidence" and report.get("confidence"):
        return arm, report["confidence"]
    if arm not in arms:
        known = ", ".join([*arms, "confidence"])
        raise EvalError(f"The report has no arm {arm!r}. It has: {known}.")
    return arm, arms[arm]


def read_report(path: Path) -> dict[str, Any]:
    """A report.json, or the one in a folder. Raises EvalError where there is none."""
    path = path / "report.json" if path.is_dir() else path
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EvalError(
            f"There is no report at {path} ({error.strerror}). Make one: zhizhi eval."
        ) from error
    except ValueError as error:
        raise EvalError(f"{path} is not JSON ({error}).") from error
    if not isinstance(value, dict) or "arms" not in value:
        raise EvalError(f"{path} is no report of an evaluation: it has no arms.")
    return value
