"""QuestionPrior: how likely a model is to know, told from the question alone.

What a model has learnt from text it knows by kinds: capitals more than birthplaces, the famous more than
the obscure. The words of a question tell its kind; a linear map of them, fitted on the labelled training
questions, is one more confidence feature (P(IK) of Kadavath et al. 2022, without a pass of the model).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Question

FEWEST = 2  # questions in which a term occurs
STRENGTH = 0.3  # inverse regularisation, as scikit-learn's C
SMALLEST = 1e-3  # weights below it are left out
OPENING = 3  # words of the beginning that are a term of their own
BOUND = 7.0  # of the log-odds: no words are surer than a thousand to one

IDEOGRAPH = "\u3400-\u9fff"
TOKENS = re.compile(rf"[{IDEOGRAPH}]|[^\W_{IDEOGRAPH}]+")


class QuestionPrior(BaseModel):
    """A logistic map from the terms of a question to P(known), fitted on ``n`` questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float]
    intercept: float
    n: int

    def log_odds(self, question: str) -> float:
        """Of the model's knowing the answer to ``question``."""
        total = self.intercept + sum(self.weights.get(term, 0.0) for term in terms(question))
        return max(-BOUND, min(BOUND, total))


def prior_log_odds(prior: QuestionPrior | None, question: str) -> float | None:
    return None if prior is None else prior.log_odds(question)


def terms(question: str) -> set[str]:
    """Words (of Chinese: characters), their pairs, and the opening words."""
    return set(_terms(TOKENS.findall(question.casefold())))


def _terms(words: list[str]) -> Iterator[str]:
    yield from words
    yield from (f"{a} {b}" for a, b in pairwise(words))
    yield from ("^" + " ".join(words[:k]) for k in range(1, min(OPENING, len(words)) + 1))


def fit_question_prior(
    questions: Sequence[Question], known: Mapping[str, bool]
) -> QuestionPrior | None:
    """Logistic regression of ``known`` (by question id) on the terms of the questions; None where all are
    known or none is.

    ``questions`` are training questions: those that the confidence is calibrated on are about others.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    labelled = [q for q in questions if q.id in known]
    outcomes = [known[q.id] for q in labelled]
    if len({*outcomes}) < 2:
        return None
    counting = CountVectorizer(analyzer=terms, min_df=FEWEST, binary=True)
    try:
        found = counting.fit_transform(q.text for q in labelled)
    except ValueError:  # no term occurs twice
        share = sum(outcomes) / len(outcomes)
        return QuestionPrior(weights={}, intercept=math.log(share / (1 - share)), n=len(outcomes))
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(found, outcomes)
    weights = zip(counting.get_feature_names_out(), model.coef_[0], strict=True)
    return QuestionPrior(
        weights={str(t): round(float(w), 4) for t, w in sorted(weights) if abs(w) >= SMALLEST},
        intercept=float(model.intercept_[0]),
        n=len(outcomes),
    )
