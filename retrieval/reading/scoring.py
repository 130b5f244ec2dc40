"""Exact match and F1 of a span, as the scorers of CMRC 2018 and SQuAD 1.1 have them.

CMRC 2018 (Cui et al. 2019): punctuation dropped, F1 of the longest common substring over Chinese
characters and Latin words. SQuAD 1.1 (Rajpurkar et al. 2016): lower case, punctuation and articles
dropped, F1 over the bag of words. The best of the reference answers counts.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from retrieval.segmentation import is_han

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_TOKEN = re.compile(r"[a-z0-9\u00c0-\u024f.]+|\S")


def exact_match(answer: str, references: Sequence[str]) -> bool:
    """Whether the answer is one of the references after normalisation."""
    return any(_normal(answer, one) == _normal(one, one) for one in references)


def f1(answer: str, references: Sequence[str]) -> float:
    return max((_f1(answer, one) for one in references), default=0.0)


def _f1(answer: str, reference: str) -> float:
    if is_han(reference):
        one, other = (
            _TOKEN.findall(_normal(answer, reference)),
            _TOKEN.findall(_normal(reference, reference)),
        )
        shared = _common_substring(one, other)
    else:
        one, other = _normal(answer, reference).split(), _normal(reference, reference).split()
        shared = sum((Counter(one) & Counter(other)).values())
    if not shared:
        return float(one == other)
    precision, recall = shared / len(one), shared / len(other)
    return 2 * precision * recall / (precision + recall)


def _normal(text: str, reference: str) -> str:
    """Normalised as the reference's language asks for."""
    text = text.lower()
    if is_han(reference):
        return "".join(c for c in text if not _is_punctuation(c) and not c.isspace())
    text = "".join(c for c in text if c not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", text).split())


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _common_substring(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest run of tokens that both hold."""
    best, previous = 0, [0] * (len(other) + 1)
    for token in one:
        current = [0]
        for place, compared in enumerate(other):
            current.append(previous[place] + 1 if token == compared else 0)
        best = max(best, *current)
        previous = current
    return best
