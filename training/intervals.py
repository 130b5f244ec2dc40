"""Confidence intervals of proportions, and of differences on the same questions."""

from __future__ import annotations

from statistics import NormalDist


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Wilson score interval (Wilson 1927); (0, 1) where n is 0."""
    if n == 0:
        return (0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = p + z * z / (2 * n)
    spread = z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    scale = 1 + z * z / n
    return (max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def clopper_pearson_lower(successes: int, n: int, delta: float = 0.05) -> float:
    """One-sided exact lower bound (Clopper & Pearson 1934): p ≥ bound with probability 1 − δ.

    0 where there is no success, n = 0 included.
    """
    if successes == 0:
        return 0.0
    # Certificates are made by the training, not by a service that only reads them.
    from scipy.special import betaincinv

    return float(betaincinv(successes, n - successes + 1, delta))
