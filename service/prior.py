"""Prior: does a question look unknown, before the model has been asked?

A naive Bayes classifier over character bigrams (words in English), taught by every outcome. It decides
nothing about answers; it only says when retrieval should start beside the generation.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from kg_builder.literals import HAN

if TYPE_CHECKING:
    from service.desk import Ticket
    from service.router import Outcome

# Below so many outcomes of either kind nothing is said.
ENOUGH = 20
# When the counts reach this they are halved, so that a new bundle is learnt soon.
MANY = 200_000


def features(question: str) -> set[str]:
    text = re.sub(r"[\s\W_]+", " ", question.lower()).strip()
    words = text.split()
    pairs = [word[i : i + 2] for word in words if HAN.search(word) for i in range(len(word) - 1)]
    return {*pairs, *(word for word in words if not HAN.search(word))}


class Prior:
    """Learns from outcomes; ``looks_unknown`` is True where not knowing is the likelier."""

    def __init__(self) -> None:
        self._seen = {True: 0, False: 0}  # by: was it answered directly?
        self._counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}

    def answered(self, _: Ticket, outcome: Outcome) -> None:
        attempt = outcome.attempt
        if attempt is not None:
            self.learn(outcome.answer.question, known=outcome.answer.abstention is None)

    def learn(self, question: str, *, known: bool) -> None:
        self._seen[known] += 1
        self._counts[known].update(features(question))
        if self._counts[known].total() > MANY:
            for kind in (True, False):
                self._seen[kind] = -(-self._seen[kind] // 2)
                halved = {k: n // 2 for k, n in self._counts[kind].items() if n > 1}
                self._counts[kind] = Counter(halved)

    def looks_unknown(self, question: str) -> bool:
        if min(self._seen.values()) < ENOUGH:
            return False
        odds = math.log(self._seen[False] / self._seen[True])
        for feature in features(question):
            # Bernoulli likelihoods with Laplace's rule of succession.
            unknown = (self._counts[False][feature] + 1) / (self._seen[False] + 2)
            known = (self._counts[True][feature] + 1) / (self._seen[True] + 2)
            odds += math.log(unknown / known)
        return odds > 0
