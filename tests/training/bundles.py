"""A small bundle's specification."""

from __future__ import annotations

from pathlib import Path

from training.attempt import OperatingPoint
from training.bundle import BaseReference, BundleSpec, fingerprint
from training.calibrate import Calibration
from training.language_pack import language_pack


def point(
    name: str, target: float, threshold: float, bound: float | None, n: int, coverage: float
) -> OperatingPoint:
    return OperatingPoint(
        name=name,
        threshold=threshold,
        target_precision=target,
        certified=bound is not None,
        n=n,
        coverage=coverage,
        delta=0.1,
    )


SPEC = BundleSpec(
    name="small",
    created="2026-01-01T00:00:00+00:00",
    base=BaseReference(id="embedded"),
    languages=("zh",),
    prompts={"zh": language_pack("zh").prompts[0]},
    refusal_prefixes={"zh": language_pack("zh").refusal_prefix},
    max_new_tokens=12,
    calibration=Calibration(
        names=("refusal_logit", "mean_logprob"),
        means=(0.0, 0.0),
        scales=(1.0, 1.0),
        weights=(-0.5, 2.0),
        intercept=1.0,
        n=100,
    ),
    operating_points=(
        point("loose", 0.80, 0.6, 0.93, 90, 0.7),
        point("sure", 0.90, 0.8, 0.921, 60, 0.4),
        point("surer", 0.95, 0.9, 0.951, 40, 0.3),
        point("guess", 0.97, 0.95, None, 20, 0.1),
    ),
    default_profile="sure",
)


def spec_on(base: Path) -> BundleSpec:
    reference = BaseReference(id=str(base), fingerprint=fingerprint(base))
    return SPEC.model_copy(update={"base": reference})
