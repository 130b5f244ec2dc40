"""ObjectModel: which relation a string can be the object of.

「浦东国际机场在上海」 tells a city and 「上海在中国」 a country in the same words. What tells them apart is
the object: names known as cities, endings like 省 or 朝, digits. The model is a naive Bayes mixture.
For a relation with N objects seen, D of them different,

    P(object | relation) = (1 − D/N) · count/N  +  D/N · P(form | relation)

so that a closed list (dynasties) gives little to a name it does not hold and an open one (towns) much.
A background class stands for strings that are no object of anything.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from retrieval.canonical import key

SEPARATORS = "、,;"
BACKGROUND = ""  # the class of what is no object at all
BACKGROUND_SHARE = 0.002
SMOOTHING = 0.2
# Share of a form's probability that comes from the relation's own objects. The same for all, so that
# relations of which little was seen do not gain by it.
KNOWN = 0.85
# The features of a form overlap (the last character is in the last two): counted in full they would
# speak with more voices than they have.
INDEPENDENCE = 0.5
LONGEST = 12
ATTESTED = 5  # objects seen of a relation before its absence from a subject means anything

Counts = dict[str, dict[str, int]]


def parts(objects: str) -> list[str]:
    """The single objects of a list like 「甲、乙」."""
    for separator in SEPARATORS[1:]:
        objects = objects.replace(separator, SEPARATORS[0])
    return [part for part in map(key, objects.split(SEPARATORS[0])) if part]


class ObjectModel:
    """P(relation | object), by counts of objects and of their forms."""

    def __init__(
        self,
        names: Mapping[str, Mapping[str, int]],
        rivals: Iterable[Iterable[str]] = (),
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        self.names: Counts = {name: dict(counts) for name, counts in names.items()}
        self.kinds = dict(kinds or {})  # name → what kind of subject it is itself, if it is one
        self.rivals = {frozenset(pair) for pair in rivals}
        self._totals: Counter[str] = Counter()
        self._distinct: Counter[str] = Counter()
        self._forms: dict[str, Counter[str]] = defaultdict(Counter)
        for name, counts in self.names.items():
            form = self._features(name)
            self._forms[BACKGROUND].update(form)
            self._distinct[BACKGROUND] += 1
            for relation, count in counts.items():
                self._totals[relation] += count
                self._distinct[relation] += 1
                self._forms[relation].update(form)

    @classmethod
    def fit(
        cls,
        pairs: Iterable[tuple[str, str]],
        rivals: Iterable[Iterable[str]] = (),
        kinds: Mapping[str, str] | None = None,
    ) -> ObjectModel:
        """Count (relation, object) pairs; an object may be a list.

        ``rivals`` are pairs of relations that one subject can have both; ``kinds`` tells what kind of
        subject a name is itself (大同 is a city, which makes it no province).
        """
        names: dict[str, Counter[str]] = defaultdict(Counter)
        for relation, objects in pairs:
            for one in parts(objects):
                names[one][relation] += 1
        return cls(names, rivals, kinds)

    def are_rivals(self, one: str, other: str) -> bool:
        """Whether one subject can have both, as far as is known: few sightings prove no absence."""
        few = min(self._totals[one], self._totals[other]) < ATTESTED
        return few or frozenset((one, other)) in self.rivals

    def fits(self, objects: str, relation: str, sharers: Iterable[str]) -> float:
        """P(the object is one of ``relation`` | it is stated in words that ``sharers`` share).

        Sharers that are no rivals count for the relation: the capital of a province and of a country
        are told alike, and no subject has both.
        """
        if not {*sharers} - {relation}:
            return 1.0  # the wording leaves no doubt
        if not self.names:
            return 0.0  # and where it does, nothing is known that could lift it
        posterior = self.posterior(objects, {relation, *sharers})
        allied = sum(
            share
            for other, share in posterior.items()
            if other not in (relation, BACKGROUND) and not self.are_rivals(relation, other)
        )
        own = posterior[relation]
        # An ally lends its weight only where the object has a form that the relation itself knows.
        return own + (allied if self._plausible(objects, relation) else 0.0)

    def posterior(self, objects: str, relations: Iterable[str]) -> dict[str, float]:
        """P(relation | object) among ``relations`` and the background."""
        candidates = [*sorted(set(relations)), BACKGROUND]
        split = parts(objects) or [""]
        total = sum(self._totals[relation] + 1 for relation in candidates[:-1])
        scores = {}
        for relation in candidates:
            share = (
                BACKGROUND_SHARE
                if relation == BACKGROUND
                else (1 - BACKGROUND_SHARE) * (self._totals[relation] + 1) / total
            )
            likelihood = sum(math.log(self._likelihood(one, relation)) for one in split)
            scores[relation] = math.log(share) + likelihood / len(split)
        best = max(scores.values())
        weights = {relation: math.exp(score - best) for relation, score in scores.items()}
        sum_of_weights = sum(weights.values())
        return {relation: weight / sum_of_weights for relation, weight in weights.items()}

    def _likelihood(self, one: str, relation: str) -> float:
        if relation == BACKGROUND:
            return self._form(one, BACKGROUND)
        total, distinct = self._totals[relation], self._distinct[relation]
        novelty = (distinct + 1) / (total + 2)
        seen = self.names.get(one, {}).get(relation, 0) / (total + 2)
        return (1 - novelty) * seen + novelty * self._form(one, relation)

    def _form(self, one: str, relation: str) -> float:
        counts, distinct = self._forms[relation], self._distinct[relation]
        pooled, everything = self._forms[BACKGROUND], self._distinct[BACKGROUND]
        product = 1.0
        for feature in self._features(one):
            # Backed off to how common the form is among all objects: rare endings stay comparable.
            base = (pooled[feature] + SMOOTHING) / (everything + 1)
            product *= KNOWN * counts[feature] / max(distinct, 1) + (1 - KNOWN) * base
        return float(max(product, 1e-300) ** INDEPENDENCE)

    def _features(self, one: str) -> list[str]:
        return [*features(one), f"kind:{self.kinds.get(one, '')}"]

    def _plausible(self, objects: str, relation: str) -> bool:
        split = parts(objects) or [""]
        return all(self._form(one, relation) > 0.1 * self._form(one, BACKGROUND) for one in split)

    def as_json(self) -> dict[str, Any]:
        rivals = sorted(sorted(pair) for pair in self.rivals)
        return {"names": self.names, "rivals": rivals, "kinds": self.kinds}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ObjectModel:
        return cls(value["names"], value["rivals"], value["kinds"])


def features(one: str) -> list[str]:
    """The form of a name: its ends, its length, what kinds of characters it has."""
    kinds = {"d" if c.isdigit() else "l" if c.isascii() else "h" for c in one if c.isalnum()}
    return [
        f"last:{one[-1:]}",
        f"last2:{one[-2:]}",
        f"first:{one[:1]}",
        f"length:{min(len(one), LONGEST)}",
        f"kinds:{''.join(sorted(kinds))}",
    ]
