"""Near-duplicates: questions so alike that opposite labels on them contradict each other."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from kg_builder.question import Question


def conflicting(known: Sequence[Question], unknown: Sequence[Question], least: float) -> set[str]:
    """Ids, on both sides, of questions under one relation whose subjects are alike but whose labels differ.

    Alike is a Jaccard similarity of character pairs of at least ``least``; both sides of such a conflict
    go, since neither label can be trusted more (the static conflict of CRaFT, Zhu et al. 2025).
    """
    grams = {q.id: pairs(q.subject) for q in (*known, *unknown)}
    postings: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for question in known:
        for gram in grams[question.id]:
            postings[question.language, question.relation, gram].append(question.id)
    torn: set[str] = set()
    for question in unknown:
        own = grams[question.id]
        shared = Counter(
            other
            for gram in own
            for other in postings.get((question.language, question.relation, gram), ())
        )
        for other, count in shared.items():
            if count / (len(own) + len(grams[other]) - count) >= least:
                torn |= {question.id, other}
    return torn


def pairs(name: str) -> frozenset[str]:
    """The character pairs of a name, ends included; width, case, spaces and punctuation do not count."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    letters = "".join(c for c in folded if c.isalnum()) or folded
    return frozenset(a + b for a, b in zip(f"\0{letters}", f"{letters}\0", strict=True))
