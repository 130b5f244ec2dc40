"""Novelty: is a question like those a bundle was calibrated on, or from outside?

A logistic model of how a question links to the bundle's domain. Its weights come with the project, learnt
from the embedded graph's questions, whole and with slips, against questions from outside
(training/novelty.json says which); the names and wordings that it is applied to are the bundle's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from training.domain import FAR, Link

PATH = Path(__file__).with_name("novelty.json")
FEATURES = ("no_name", "name_slips", "edits", "unseen_pairs", "unseen_joint", "misfit")


def features(link: Link) -> tuple[float, ...]:
    """In the order of FEATURES; all grow with novelty and lie between 0 and 1."""
    return (
        float(not link.name),
        float(link.slips),
        min(link.distance, FAR) / FAR,
        link.unseen,
        link.joint,
        1 - link.fit,
    )


class Novelty(BaseModel):
    """P(outside) of a question, and from where on it is taken for one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: tuple[float, ...]
    intercept: float
    threshold: float
    inside: int  # questions that it was fitted on
    outside: dict[str, int]  # the same from outside, by set

    def probability(self, link: Link) -> float:
        """P(the question is from outside), with both kinds as frequent as each other."""
        z = self.intercept + sum(w * x for w, x in zip(self.weights, features(link), strict=True))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, z))))

    def is_outside(self, link: Link) -> bool:
        return self.probability(link) > self.threshold


def fit_novelty(
    inside: Sequence[Link], outside: dict[str, Sequence[Link]], *, lost: float = 0.02
) -> Novelty:
    """Fit on both kinds of links; at most the share ``lost`` of ``inside`` is taken for outside."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    strange = [link for links in outside.values() for link in links]
    x = np.array([features(link) for link in (*inside, *strange)])
    y = np.array([0] * len(inside) + [1] * len(strange))
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(x, y)
    scores = model.predict_proba(x[: len(inside)])[:, 1]
    return Novelty(
        weights=tuple(round(float(w), 4) for w in model.coef_[0]),
        intercept=round(float(model.intercept_[0]), 4),
        threshold=round(float(np.quantile(scores, 1 - lost)), 4),
        inside=len(inside),
        outside={name: len(links) for name, links in outside.items()},
    )


@lru_cache
def default_novelty() -> Novelty:
    """The weights that come with the project."""
    return Novelty.model_validate_json(PATH.read_bytes())
