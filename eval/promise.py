"""Does the promise hold? The whole procedure of calibration repeated on draws of entities.

Held-out questions are the population. A draw takes as many entities as the calibration split has, with
replacement, fits the confidence on a part of them, certifies on the rest, and is held against the
population: a promise is broken where the answers it allows are less precise there than the target. In the
all-or-nothing population every entity has one confidence and one outcome for all its questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.attempt import OperatingPoint
from training.calibrate import MOST_CERTIFYING, CalibrationSettings, fit
from training.certificate import NEVER, Answers
from training.errors import TrainingError
from training.intervals import Tally, clopper_pearson_lower, clustered_wilson, wilson
from training.routed_certificate import LookedUp, routed_points
from training.selective import spread

ROUTES = {"direct": "direct", "retrieved": "retrieved", "together": "precision"}  # fields of Kept


@dataclass(frozen=True)
class Population:
    """Held-out questions: direct answers with their confidence features, and the retrieved answers of those
    that were looked up (a confidence of −∞: none was given, or not looked up)."""

    direct: Answers
    retrieved: Answers
    looked_up: NDArray[np.bool_]
    signals: tuple[dict[str, float], ...]

    @cached_property
    def _table(self) -> tuple[list[str], NDArray[np.float64]]:
        names = [n for n in self.signals[0] if all(n in row for row in self.signals)]
        return names, np.array([[row[n] for n in names] for row in self.signals])

    def features(self, names: Sequence[str]) -> NDArray[np.float64]:
        """(questions, names): the confidence features."""
        known, table = self._table
        return table[:, [known.index(name) for name in names]]

    @property
    def entities(self) -> int:
        return int(self.direct.members.max()) + 1 if self.direct.n else 0

    def all_or_nothing(self) -> Population:
        """Every question of an entity replaced by the entity's first one."""
        first = np.unique(self.direct.members, return_index=True)[1][self.direct.members]
        return Population(
            replace(self.direct.take(first), members=self.direct.members),
            replace(self.retrieved.take(first), members=self.direct.members),
            self.looked_up[first],
            tuple(self.signals[i] for i in first),
        )


@dataclass(frozen=True)
class Draw:
    """What a draw of entities came to: its points, and the confidence it gives to the whole population."""

    points: list[OperatingPoint]
    confidence: NDArray[np.float64]
    certifying: Answers
    looked_up: LookedUp


def draw(
    population: Population,
    entities: int,
    settings: CalibrationSettings,
    rng: np.random.Generator,
) -> Draw | None:
    """Calibrate on ``entities`` drawn entities as a bundle is; None where nothing can be fitted."""
    order = np.argsort(population.direct.members, kind="stable")
    starts = np.searchsorted(population.direct.members[order], np.arange(population.entities + 1))
    chosen = rng.integers(0, population.entities, entities)
    sizes = starts[chosen + 1] - starts[chosen]
    places = np.concatenate([order[starts[e] : starts[e + 1]] for e in chosen])
    members = np.repeat(np.arange(entities), sizes)
    fits = (rng.random(entities) >= MOST_CERTIFYING)[members]
    rows = [population.signals[i] for i in places[fits]]
    try:
        calibration = fit(rows, population.direct.right[places[fits]].tolist(), settings)
    except TrainingError:
        return None
    z = (
        (population.features(calibration.names) - calibration.means)
        / calibration.scales
        @ calibration.weights
    )
    confidence = 1 / (1 + np.exp(-np.clip(z + calibration.intercept, -50, 50)))
    scored = replace(population.direct, confidence=confidence)

    def part(of: Answers, mask: NDArray[np.bool_]) -> Answers:
        return replace(of.take(places[mask]), members=members[mask])

    known = population.looked_up[places]
    direct = [part(scored, mask) for mask in (fits, ~fits)]
    looked_up = [
        LookedUp(
            retrieved=part(population.retrieved, mask & known), direct=part(scored, mask & known)
        )
        for mask in (fits, ~fits)
    ]
    points = routed_points(direct[0], direct[1], (looked_up[0], looked_up[1]), settings)
    return Draw(points, confidence, direct[1], looked_up[1])


@dataclass(frozen=True)
class Kept:
    """A point held against the population: precision by route (None: no answer), and what is answered."""

    direct: float | None
    retrieved: float | None
    direct_share: float
    share: float  # of all questions, by either route
    precision: float | None  # of all answers

    def broken(self, target: float) -> bool:
        """Whether the answers of a route, or all together, are less precise than promised."""
        found = (self.direct, self.retrieved, self.precision)
        return any(one is not None and one < target for one in found)


def hold(
    population: Population,
    confidence: NDArray[np.float64],
    threshold: float,
    retrieved: float,
    closed: Sequence[str] = (),
) -> Kept:
    """The thresholds on the population; what was not looked up is as what was."""
    scored = replace(population.direct, confidence=confidence)
    given = scored.above(threshold, closed)
    left = population.looked_up & ~given
    found = left & population.retrieved.above(retrieved)
    direct, read = scored.precision(given), population.retrieved.precision(found)
    direct_share = float(given.mean())
    of_left = float(found.sum() / left.sum()) if left.any() else 0.0
    read_share = (1 - direct_share) * of_left
    parts = [(direct, direct_share), (read, read_share)]
    weight = direct_share + read_share
    mixed = sum(p * w for p, w in parts if p is not None) / weight if weight else None
    return Kept(direct, read, direct_share, weight, mixed)


def bootstrap(
    population: Population,
    entities: int,
    settings: CalibrationSettings,
    *,
    draws: int,
    seed: int = 0,
    compared: int = 0,
) -> dict[str, Any]:
    """{target or profile: violations, certified, coverage, direct, …}, over ``draws`` draws of entities.

    ``coverage`` is the mean share of all questions that are answered under the promise, 0 where nothing is
    certified; ``direct`` the part answered directly. In the first ``compared`` draws the thresholds
    of COIN and LEC are held against the population as well.
    """
    rng = np.random.default_rng(seed)
    kept: dict[str, list[tuple[OperatingPoint, Kept]]] = {}
    others: dict[str, dict[str, list[Kept]]] = {}
    targets: dict[str, float] = {}
    done = 0
    while done < draws:
        found = draw(population, entities, settings, rng)
        if found is None:
            continue
        done += 1
        for point in found.points:
            target = targets[point.name] = point.target_precision or 0.0
            read = NEVER if point.retrieved is None else point.retrieved.threshold
            held = hold(population, found.confidence, point.threshold, read, point.closed)
            kept.setdefault(point.name, []).append((point, held))
            if done <= compared:
                for name, thresholds in rivals(found, target, settings.delta).items():
                    one = hold(population, found.confidence, *thresholds)
                    others.setdefault(point.name, {}).setdefault(name, []).append(one)
    return {
        name: _summary(targets[name], held)
        | {
            "compared": {
                rival: _rival(targets[name], rows) for rival, rows in others.get(name, {}).items()
            }
        }
        for name, held in kept.items()
    }


def _summary(target: float, held: list[tuple[OperatingPoint, Kept]]) -> dict[str, Any]:
    certified = [(point, kept) for point, kept in held if point.certified]
    n, broken = len(held), sum(kept.broken(target) for _, kept in certified)
    return {
        "target": target,
        "draws": n,
        "violations": broken / n,
        "violations_interval": wilson(broken, n),
        "violations_by_route": {
            name: sum((p := getattr(k, route)) is not None and p < target for _, k in certified) / n
            for name, route in ROUTES.items()
        },
        "certified": len(certified) / n,
        "direct_certified": sum(k.direct_share > 0 for _, k in certified) / n,
        "coverage": sum(k.share for _, k in certified) / n,
        "direct": sum(k.direct_share for _, k in certified) / n,
    }


def _rival(target: float, rows: list[Kept]) -> dict[str, float]:
    return {
        "draws": len(rows),
        "violations": sum((k.precision or 1) < target for k in rows) / len(rows),
        "violations_of_a_route": sum(k.broken(target) for k in rows) / len(rows),
        "mean_precision": float(
            np.mean([k.precision for k in rows if k.precision is not None] or [1])
        ),
        "coverage": sum(k.share for k in rows) / len(rows),
        "direct": sum(k.direct_share for k in rows) / len(rows),
    }


def rivals(found: Draw, target: float, delta: float) -> dict[str, tuple[float, float]]:
    """The direct and retrieved thresholds of other procedures on the certifying questions of a draw.

    coin        the lowest direct threshold whose exact bound passes (COIN, arXiv 2506.20178)
    lec         the lowest direct threshold with Σ (wrong − α) + 1 − α ≤ 0 over the answers above it (LEC,
                arXiv 2512.01556; its constraint on an expectation, α = 1 − target)
    lec_routed  the pair of thresholds with the most answers under the same constraint on both routes
    """
    direct, alpha = found.certifying, 1 - target
    grid = _quantiles(direct.confidence)
    coin = lec = NEVER
    for threshold in grid:
        right, n = direct.tally(direct.above(threshold)).total
        if n and clopper_pearson_lower(right, n, delta) >= target:
            coin = threshold
        if n and (n - right) - alpha * n + 1 - alpha <= 0:
            lec = threshold
    both, best, most = found.looked_up, (NEVER, NEVER), -1
    read_grid = [NEVER, *_quantiles(both.retrieved.confidence, 15)]
    for threshold in [NEVER, *_quantiles(both.direct.confidence, 30)]:
        given = both.direct.above(threshold)
        wrong, n = int((given & ~both.direct.right).sum()), int(given.sum())
        for read in read_grid:
            more = ~given & both.retrieved.above(read)
            errors = wrong + int((more & ~both.retrieved.right).sum())
            answered = n + int(more.sum())
            if errors - alpha * answered + 1 - alpha <= 0 and answered > most:
                best, most = (threshold, read), answered
    return {"coin": (coin, NEVER), "lec": (lec, NEVER), "lec_routed": best}


def _quantiles(confidence: NDArray[np.float64], most: int = 60) -> list[float]:
    """At most ``most`` of the finite values, falling."""
    values = np.sort(confidence[np.isfinite(confidence)])[::-1]
    return [float(value) for value in np.unique(values[spread(len(values), most)])[::-1]]


def oracle_coverage(population: Population, target: float) -> dict[str, float]:
    """What could be answered if the population were known: the lowest thresholds that keep the target."""
    best = {}
    for name, answers in (("direct", population.direct), ("retrieved", population.retrieved)):
        kept = [NEVER]
        for threshold in _quantiles(answers.confidence, 400):
            precision = answers.precision(answers.above(threshold))
            if precision is not None and precision >= target:
                kept.append(threshold)
        best[name] = kept[-1]
    held = hold(population, population.direct.confidence, best["direct"], best["retrieved"])
    return {"oracle_coverage": held.share, "oracle_direct": held.direct_share}


def interval_coverage(
    population: Population, entities: int, point: OperatingPoint, *, draws: int, seed: int = 1
) -> dict[str, Any]:
    """How often the printed 95% intervals hold the population's figure, over draws of ``entities`` entities.

    ``gate``: how often the lower bound, by which a gate passes, is not above the figure (97.5% by right);
    ``by_question``: what intervals that count questions would reach.
    """
    rng = np.random.default_rng(seed)
    given = population.direct.above(point.threshold, point.closed)
    right = population.direct.right & given
    figures = {
        "precision": (right, given),
        "coverage": (given, np.ones_like(given)),
        "accuracy": (right, np.ones_like(given)),
    }
    members, size = population.direct.members, population.entities
    found: dict[str, Any] = {}
    for name, (hits, trials) in figures.items():
        successes, counts = (
            np.bincount(members, one, minlength=size).astype(float) for one in (hits, trials)
        )
        truth = successes.sum() / counts.sum()
        held = lower = naive = 0
        for _ in range(draws):
            chosen = rng.integers(0, size, entities)
            sample = Tally(successes[chosen], counts[chosen])
            low, high = clustered_wilson(sample)
            held += low <= truth <= high
            lower += low <= truth
            low, high = wilson(*sample.total)
            naive += low <= truth <= high
        found[name] = {
            "value": float(truth),
            "covered": held / draws,
            "gate": lower / draws,
            "by_question": naive / draws,
        }
    return found
