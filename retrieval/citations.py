"""Citations: [n] in a model's answer, looked up in the evidence and kept only where it bears them out.

A sentence is supported by a passage when a stretch of at most two of its sentences holds what the
answer adds to the question: every number, and at least ``COVERAGE`` of the rest. Negation must
not be the answer's own. bench/retrieval_quality.py --reading measures both kinds of error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from retrieval.evidence import Citation, Evidence
from retrieval.reading_pack import ReadingPack
from retrieval.segmentation import bigrams, fold, is_han, words
from retrieval.sentences import sentences

COVERAGE = 0.8
WINDOW = 2  # neighbouring sentences of a passage that may support one of an answer together
_MARK = re.compile(r"\s*[\[【［]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】］]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Claim(NamedTuple):
    """One sentence of an answer, without its marks, and the numbers that it cites."""

    text: str
    numbers: tuple[int, ...]


def claims(answer: str) -> list[Claim]:
    """The sentences of an answer with what they cite; marks after a full stop belong before it."""
    marks: list[tuple[int, int]] = []  # (place in the bare text, number)
    bare = ""
    place = 0
    for found in _MARK.finditer(answer):
        bare += answer[place : found.start()]
        marks += [(len(bare), int(number)) for number in re.findall(r"\d+", found.group(1))]
        place = found.end()
    bare += answer[place:]
    pieces = sentences(bare)
    cited: list[list[int]] = [[] for _ in pieces]
    for at, number in marks:
        # The last sentence that begins before the mark; a mark before all of them is the first's.
        owner = sum(piece.start < at for piece in pieces) - 1
        if pieces:
            cited[max(owner, 0)].append(number)
    return [
        Claim(piece.text, tuple(dict.fromkeys(numbers)))
        for piece, numbers in zip(pieces, cited, strict=True)
    ]


def support(claim: str, question: str, passage: str, pack: ReadingPack) -> str | None:
    """The words of the passage that bear a sentence out, None where there are none."""
    needed = _content(claim, question, pack) or _content(claim, "", pack)
    if not needed:
        return None
    numbers = set(_NUMBER.findall(fold(claim))) - set(_NUMBER.findall(fold(question)))
    negated = _negates(claim, question, pack)
    best: tuple[float, str] | None = None
    pieces = sentences(passage)
    for width in range(1, WINDOW + 1):
        for first in range(len(pieces) - width + 1):
            window = passage[pieces[first].start : pieces[first + width - 1].end]
            folded = fold(window)
            if not numbers <= set(_NUMBER.findall(folded)):
                continue
            if negated and not any(word in folded for word in pack.negations):
                continue
            there = {*bigrams(folded), *folded, *words(window)}
            covered = sum(part in there for part in needed) / len(needed)
            if covered >= COVERAGE and (best is None or covered > best[0]):
                best = covered, window
        if best is not None:
            return best[1]
    return None


def _content(claim: str, question: str, pack: ReadingPack) -> list[str]:
    """What a sentence says beyond the question: Latin words, and pairs of Chinese characters.

    Particles and the question's words part the runs that the pairs are taken from, so that 「他的父亲是
    甲乙丙」, asked for a father, has to be borne out in 甲乙 and 乙丙 alone.
    """
    asked = set(words(question))
    found: list[str] = []
    run = ""
    for word in [*words(claim), ""]:
        if word and is_han(word) and word not in pack.particles and word not in asked:
            run += word
            continue
        found += bigrams(run) if run else []
        run = ""
        if word and not is_han(word) and word not in pack.particles and word not in asked:
            found.append(word)
    return found


def cited_answer(
    reply: str, question: str, evidence: Sequence[Evidence], pack: ReadingPack
) -> tuple[str, tuple[Citation, ...]]:
    """The sentences of a reply that their citations support, joined, with these citations.

    Offsets are those of the joined answer. Empty where nothing is supported.
    """
    kept: list[str] = []
    citations: list[Citation] = []
    length = 0
    for claim in claims(reply):
        quotes: dict[int, str] = {}
        for number in claim.numbers:
            if 1 <= number <= len(evidence):
                passage = evidence[number - 1].passage
                quote = support(claim.text, question, passage.text, pack)
                if quote is not None:
                    quotes[number] = quote
        if not quotes:
            continue
        space = " " if kept and claim.text[:1].isascii() else ""
        start, end = length + len(space), length + len(space) + len(claim.text)
        kept.append(space + claim.text)
        length = end
        for number, quote in quotes.items():
            item = evidence[number - 1]
            citations.append(
                Citation(
                    number=number,
                    passage_id=item.passage.id,
                    title=item.passage.title,
                    url=item.passage.url,
                    quote=quote,
                    start=start,
                    end=end,
                    source=item.source,
                )
            )
    return "".join(kept), tuple(citations)


def _negates(claim: str, question: str, pack: ReadingPack) -> bool:
    said, asked = fold(claim), fold(question)
    return any(word in said and word not in asked for word in pack.negations)
