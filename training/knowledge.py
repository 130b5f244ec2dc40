"""KnowledgeScore: how likely the untuned model knows, from the words of a question and how surely it answers.

What a model has learnt from text it knows by kinds: capitals more than birthplaces, the famous more than
the obscure. The words of a question tell its kind, the probabilities of the answer's tokens the rest. One
linear map of both, fitted on the labelled training questions, of which there are many, is one confidence
feature for the calibration questions, of which there are few (P(IK) of Kadavath et al. 2022, without a pass
of its own).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict

from kg_builder.question import Question
from training.generation import Generation
from training.signals import signals

FEWEST = 2  # questions in which a term occurs
STRENGTH = 0.1  # inverse regularisation, as scikit-learn's C
SMALLEST = 1e-3  # weights of terms below it are left out
OPENING = 3  # words of the beginning that are a term of their own
# Of one answer alone: what other answers say of it, and the refusal, are features of the calibration.
CERTAINTY = ("sequence_logprob", "mean_logprob", "min_logprob", "mean_entropy", "first_margin")
LENGTH = "answer_tokens"

IDEOGRAPH = "\u3400-\u9fff"
TOKENS = re.compile(rf"[{IDEOGRAPH}]|[^\W_{IDEOGRAPH}]+")


class Standardised(BaseModel):
    """The weight of a certainty after its mean is taken away and it is divided by its scale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    scale: float
    weight: float


class KnowledgeScore(BaseModel):
    """A logistic map from terms and certainties to P(known), fitted on ``n`` questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    terms: dict[str, float]
    certainties: dict[str, Standardised]
    intercept: float
    n: int

    def log_odds(self, question: str, answer: Generation) -> float | None:
        """Of the answer's being right; None where the engine tells no probabilities of its tokens."""
        found = certainties(answer)
        if found is None:
            return None
        total = self.intercept + sum(self.terms.get(term, 0.0) for term in terms(question))
        for name, one in self.certainties.items():
            total += one.weight * (found[name] - one.mean) / one.scale
        return total


def certainties(answer: Generation) -> dict[str, float] | None:
    """How surely an answer was given, and how long it is; None where that is not known."""
    found = signals(answer)
    if any(name not in found for name in CERTAINTY):
        return None
    return {
        **{name: found[name] for name in CERTAINTY},
        LENGTH: float(len(answer.token_logprobs)),
    }


def terms(question: str) -> set[str]:
    """Words (of Chinese: characters), their pairs, and the opening words."""
    return set(_terms(TOKENS.findall(question.casefold())))


def _terms(words: list[str]) -> Iterator[str]:
    yield from words
    yield from (f"{a} {b}" for a, b in pairwise(words))
    yield from ("^" + " ".join(words[:k]) for k in range(1, min(OPENING, len(words)) + 1))


def fit_knowledge(
    questions: Sequence[Question], answers: Mapping[str, Generation], known: Mapping[str, bool]
) -> KnowledgeScore | None:
    """Logistic regression of ``known`` on the terms of the questions and the certainties of the untuned
    model's ``answers``, both by question id; None where all are known, none is, or no certainty is told.

    ``questions`` are training questions: those that the confidence is calibrated on are about others.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    rows = [
        (q.text, found, known[q.id])
        for q in questions
        if q.id in known and q.id in answers and (found := certainties(answers[q.id])) is not None
    ]
    outcomes = [outcome for _, _, outcome in rows]
    if len({*outcomes}) < 2:
        return None
    names = (*CERTAINTY, LENGTH)
    sure = np.array([[found[name] for name in names] for _, found, _ in rows])
    means, scales = sure.mean(0), sure.std(0)
    scales[scales == 0] = 1
    counting = CountVectorizer(analyzer=terms, min_df=min(FEWEST, len(rows)), binary=True)
    words = counting.fit_transform(text for text, _, _ in rows)
    features = hstack([words, csr_matrix((sure - means) / scales)])
    model = LogisticRegression(C=STRENGTH, max_iter=5000).fit(features, outcomes)
    weights = [float(w) for w in model.coef_[0]]
    vocabulary = [str(term) for term in counting.get_feature_names_out()]
    told = zip(vocabulary, weights, strict=False)
    return KnowledgeScore(
        terms={term: round(w, 4) for term, w in sorted(told) if abs(w) >= SMALLEST},
        certainties={
            name: Standardised(mean=float(m), scale=float(s), weight=w)
            for name, m, s, w in zip(names, means, scales, weights[len(vocabulary) :], strict=True)
        },
        intercept=float(model.intercept_[0]),
        n=len(rows),
    )
