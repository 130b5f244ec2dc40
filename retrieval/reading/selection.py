"""Selection: which sentences of the evidence are read, where there is more of it than time.

Sentences are ranked by the question's n-grams that they hold, weighted by inverse sentence frequency,
and by the rank of their passage; each is read with the sentence before and after it. What is chosen
of one passage is read as one text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from retrieval.chunking import cut, weight
from retrieval.reading.span_reader import Text
from retrieval.segmentation import ngrams, simplify
from retrieval.sentences import Sentence, sentences

PART = 150  # Chinese characters; of a longer sentence, or a table, parts are read
SHORT = 2  # letters of a Latin word that says nothing
RANK_DISCOUNT = 0.9  # of a sentence's worth, for each place that its passage comes later


class Piece(NamedTuple):
    """A stretch of the passage, ``start`` to ``end``, that stands at ``at`` in what is read."""

    start: int
    end: int
    at: int


class Selected(NamedTuple):
    """What is read of one passage, and where it stands there."""

    text: Text
    pieces: tuple[Piece, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the passage of a span of what is read; it is cut where a stretch ends."""
        for piece in self.pieces:
            length = piece.end - piece.start
            if start < piece.at + length:
                # A span may begin with the space that parts two stretches.
                shift = piece.start - piece.at
                return max(start, piece.at) + shift, max(
                    min(end, piece.at + length), piece.at
                ) + shift
        raise ValueError(f"({start}, {end}) is no span of what was read")


def select(question: str, texts: Sequence[Text], budget: float) -> list[Selected]:
    """At most ``budget`` Chinese characters of the texts (a Latin one counts a third), best ranked first.

    Texts that fit are read whole.
    """
    if sum(weight(text.text) for text in texts) <= budget:
        return [_whole(text) for text in texts]
    parts = [
        [part for sentence in sentences(text.text) for part in cut(sentence, PART)]
        for text in texts
    ]
    chosen = _chosen(question, parts, budget)
    return [
        _joined(text, [part for place, part in enumerate(held) if place in chosen[number]])
        for number, (text, held) in enumerate(zip(texts, parts, strict=True))
    ]


def _chosen(
    question: str, cut_texts: Sequence[Sequence[Sentence]], budget: float
) -> list[set[int]]:
    """For each text the numbers of the sentences to read."""
    asked = [gram for gram in set(ngrams(question)) if not gram.isascii() or len(gram) > SHORT]
    held = [
        [{gram for gram in asked if gram in folded} for folded in map(_folded, parts)]
        for parts in cut_texts
    ]
    frequency = Counter(gram for parts in held for found in parts for gram in found)
    total = sum(map(len, cut_texts))
    worth = {gram: math.log(1 + total / (1 + frequency[gram])) * len(gram) for gram in asked}
    ranked = sorted(
        (
            (sum(map(worth.__getitem__, found)) * RANK_DISCOUNT**number, -number, -place)
            for number, parts in enumerate(held)
            for place, found in enumerate(parts)
        ),
        reverse=True,
    )
    chosen: list[set[int]] = [set() for _ in cut_texts]
    left = budget
    for _, minus_number, minus_place in ranked:
        number, place = -minus_number, -minus_place
        for near in (place, place + 1, place - 1):
            if not 0 <= near < len(cut_texts[number]) or near in chosen[number]:
                continue
            size = weight(cut_texts[number][near].text)
            if size <= left:
                chosen[number].add(near)
                left -= size
    return chosen


def _folded(sentence: Sentence) -> str:
    return simplify(sentence.text).lower()


def _whole(text: Text) -> Selected:
    return Selected(text, (Piece(0, len(text.text), 0),))


def _joined(text: Text, kept: list[Sentence]) -> Selected:
    pieces: list[Piece] = []
    read = ""
    for sentence in kept:
        if pieces and not text.text[pieces[-1].end : sentence.start].strip():
            # Neighbours stay one stretch, with the white space that stands there.
            last = pieces.pop()
            read = read[: last.at] + text.text[last.start : sentence.end]
            pieces.append(Piece(last.start, sentence.end, last.at))
            continue
        if read and not read.endswith("\n"):
            read += " " if read[-1].isascii() else ""
        pieces.append(Piece(sentence.start, sentence.end, len(read)))
        read += sentence.text
    return Selected(Text(text.title, read), tuple(pieces))
