"""Citations: [n] in a model's answer, looked up in the evidence and kept only where it bears them out.

What bears a sentence out is decided by ``retrieval.reading.support``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from retrieval.evidence import Citation, Evidence, cited
from retrieval.reading.reading_pack import ReadingPack
from retrieval.reading.support import Opinion, support
from retrieval.sentences import sentences

_MARK = re.compile(r"\s*[\[【［]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】］]")


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
    owned: list[list[int]] = [[] for _ in pieces]
    for at, number in marks:
        # The last sentence that begins before the mark; a mark before all of them is the first's.
        owner = sum(piece.start < at for piece in pieces) - 1
        if pieces:
            owned[max(owner, 0)].append(number)
    return [
        Claim(piece.text, tuple(dict.fromkeys(numbers)))
        for piece, numbers in zip(pieces, owned, strict=True)
    ]


def cited_answer(
    reply: str,
    question: str,
    evidence: Sequence[Evidence],
    pack: ReadingPack,
    opinion: Opinion | None = None,
) -> tuple[str, tuple[Citation, ...]]:
    """The sentences of a reply that their citations support, joined, with these citations.

    Offsets are those of the joined answer. Empty where nothing is supported. ``opinion`` is a reader that
    the support check asks too.
    """
    kept: list[str] = []
    citations: list[Citation] = []
    length = 0
    for claim in claims(reply):
        quotes: dict[int, str] = {}
        for number in claim.numbers:
            if 1 <= number <= len(evidence):
                passage = evidence[number - 1].passage
                quote = support(claim.text, question, passage.text, pack, passage.title, opinion)
                if quote is not None:
                    quotes[number] = quote
        if not quotes:
            continue
        space = " " if kept and claim.text[:1].isascii() else ""
        start, end = length + len(space), length + len(space) + len(claim.text)
        kept.append(space + claim.text)
        length = end
        for number, quote in quotes.items():
            citations.append(
                cited(evidence[number - 1], quote, number=number, start=start, end=end)
            )
    return "".join(kept), tuple(citations)
