"""Match and `matches`: whether an answer is right, and why."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from kg_builder.matching.normalise import fold
from kg_builder.question import AnswerType, Gold

Verdict = Literal["right", "wrong", "ambiguous"]


class Match(NamedTuple):
    """The judgement of one answer: ``reason`` is a short machine-readable word."""

    verdict: Verdict
    reason: str
    found: str = ""  # the name of the gold that decided, folded


_NEGATION = re.compile(r"(?:不是|并非|而非|不为|\bnot(?: the| an?)? |n t )$")


def gold_of(
    names: str | Iterable[str], *, need_all: bool = False, answer_type: AnswerType = "term"
) -> Gold:
    """A Gold from plain strings: every string is an object of its own."""
    strings = (names,) if isinstance(names, str) else tuple(names)
    return Gold(
        objects=tuple((name,) for name in strings), need_all=need_all, answer_type=answer_type
    )


@functools.lru_cache(maxsize=1 << 16)
def _patterns(objects: tuple[tuple[str, ...], ...]) -> tuple[tuple[re.Pattern[str], ...], ...]:
    return tuple(
        tuple(
            re.compile(
                (r"(?<![a-z0-9])" if folded[0].isascii() else "")
                + re.escape(folded)
                + (r"(?![a-z0-9])" if folded[-1].isascii() else "")
            )
            for folded in map(fold, names)
            if folded
        )
        for names in objects
    )


def matches(answer: str, gold: Gold, *, question: str = "") -> Match:  # noqa: ARG001
    """Whether ``answer`` names the gold."""
    text = fold(answer)
    if not text:
        return Match("wrong", "empty")
    named = 0
    negated = ""
    found = ""
    for patterns in _patterns(gold.objects):
        for pattern in patterns:
            hits = list(pattern.finditer(text))
            if any(not _NEGATION.search(text[: hit.start()]) for hit in hits):
                named += 1
                found = found or hits[0].group()
                break
            if hits:
                negated = hits[0].group()
    if named >= (len(gold.objects) if gold.need_all else 1):
        return Match("right", "named", found)
    if named:
        return Match("wrong", "incomplete", found)
    return Match("wrong", "negated", negated) if negated else Match("wrong", "absent")
