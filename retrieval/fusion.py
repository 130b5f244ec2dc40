"""Fusion: one ranking out of BM25 scores, cosines and the titles that a question names.

Scores are fused, not ranks. A rank hides how much better the first passage is than the second, so the
weights that suit one collection spoil another. Bruch, Gai and Ingber (2023, "An Analysis of Fusion
Functions for Hybrid Retrieval") find that a convex combination of normalised scores is better than
reciprocal ranks, and depends less on the collection that its weight was chosen on. recall@1 on CMRC 2018,
DRCD (several passages a title, traditional characters), 60 articles of SQuAD and the embedded graph:

                                                        CMRC   DRCD   SQuAD  graph
    BM25                                                .9694  .9425  .7517  .9327
    embedded embedder                                   .9256  .8351  .5970  .9786
    reciprocal ranks, k = 10, 1 : .2, titles 1          .9853  .9038  .7477  .9980
    scores, vectors 0                                   .9837  .9384  .7503  .9989
    scores, vectors .1                                  .9837  .9402  .7577  .9991
    scores, vectors .2                                  .9846  .9384  .7617  .9981
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def fuse(
    lexical: Sequence[tuple[T, float]],
    dense: Sequence[tuple[T, float]],
    titles: Mapping[T, float],
    dense_weight: float,
) -> list[tuple[T, float]]:
    """Passages with fused scores, best first; ties keep the order of ``lexical``, then ``dense``.

    A passage scores

        (BM25 + title) / highest (BM25 + title)  +  dense_weight · (cosine − lowest) / (highest − lowest)

    where the cosines' lowest and highest are those of ``dense``, and what a ranking does not hold
    counts nothing.

    Args:
        lexical: passages with BM25 scores above 0, best first.
        dense: passages with cosines, best first.
        titles: what each passage whose title is named earns by it, in units of BM25
            (see ``title_scores``).
        dense_weight: of the cosines beside BM25's 1, not negative.
    """
    scores = dict(lexical)
    # A named passage beyond the end of the list has no more than the last one there.
    last = lexical[-1][1] if lexical else 0.0
    for passage, earned in titles.items():
        scores[passage] = scores.get(passage, last) + earned
    highest = max(scores.values(), default=0.0)
    fused = {passage: score / highest for passage, score in scores.items()} if highest > 0 else {}
    if dense:
        top, bottom = dense[0][1], dense[-1][1]
        for passage, cosine in dense:
            share = (cosine - bottom) / (top - bottom) if top > bottom else 1.0
            fused[passage] = fused.get(passage, 0.0) + dense_weight * share
    return sorted(fused.items(), key=lambda pair: -pair[1])


def title_scores(named: Sequence[tuple[T, str]], size: int) -> dict[T, float]:
    """What passages earn by being named: the inverse document frequency of their title.

    idf = ln(1 + (N − df + ½) / (df + ½)), as in BM25, over N = ``size`` passages of which ``df`` have
    this title. A title is a field beside the text, and being named is its one term.

    Args:
        named: passages and the title that the question names, all passages of each title.
        size: passages in the collection.
    """
    frequency = Counter(title for _, title in named)
    return {
        passage: math.log1p((max(size, df) - df + 0.5) / (df + 0.5))
        for passage, title in named
        for df in (frequency[title],)
    }
