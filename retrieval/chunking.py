"""Chunking: a long text cut into passages of whole sentences that overlap."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, model_validator

from retrieval.sentences import Sentence, sentences

BETWEEN = 10  # characters between two sentences (brackets, rules) that stay with the first one


class ChunkSettings(BaseModel):
    """Sizes in characters; a Latin character counts a third of a Chinese one, as it says less."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=400, ge=20)
    overlap: int = Field(default=80, ge=0)

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> ChunkSettings:
        if self.overlap * 2 > self.size:
            raise ValueError(f"overlap {self.overlap} is more than half of size {self.size}")
        return self


def weight(text: str) -> float:
    """The length of a text in Chinese characters."""
    wide = len(text) - len(text.encode("ascii", "ignore"))
    return wide + (len(text) - wide) / 3


def chunks(text: str, settings: ChunkSettings) -> Iterator[str]:
    """Runs of whole sentences of at most ``size``; each repeats the end of the one before it.

    Text between sentences (line breaks, lists) is kept. A sentence longer than ``size`` is cut.
    """
    for start, end in spans(text, settings):
        yield text[start:end]


def spans(text: str, settings: ChunkSettings) -> Iterator[tuple[int, int]]:
    """Where ``chunks`` begin and end in the text, in time linear in its length."""
    if weight(text) <= settings.size:
        if text.strip():
            yield _stripped(text, 0, len(text))
        return
    pieces = [part for sentence in sentences(text) for part in cut(sentence, settings.size)]
    weights = [weight(piece.text) for piece in pieces]
    start = 0
    while start < len(pieces):
        end, spent = start, 0.0
        while end < len(pieces) and (end == start or spent + weights[end] <= settings.size):
            spent += weights[end]
            if end > start and pieces[end].start - pieces[end - 1].end > settings.size:
                break  # a long rule or drawing: not a passage's inside
            end += 1
        yield _stripped(text, pieces[start].start, _reach(text, pieces, end))
        if end == len(pieces):
            return
        back, repeated = end, 0.0
        while back - 1 > start and repeated + weights[back - 1] <= settings.overlap:
            back -= 1
            repeated += weights[back]
        start = back


def _reach(text: str, pieces: list[Sentence], end: int) -> int:
    """The end of a chunk of the pieces before ``end``, with what stands behind the last of them."""
    last = pieces[end - 1].end
    following = pieces[end].start if end < len(pieces) else len(text)
    return following if following - last <= BETWEEN else last


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return start + left, start + left + len(piece.strip())


def cut(sentence: Sentence, size: int) -> Iterator[Sentence]:
    """A sentence in parts of at most ``size``, cut at a space or comma where there is one."""
    text, start = sentence.text, 0
    if weight(text) <= size:
        yield sentence
        return
    while start < len(text):
        end = _fitting(text, start, size)
        if end < len(text):
            seam = max(text.rfind(mark, start + (end - start) // 2, end) for mark in " ,，、;；")
            end = seam + 1 if seam > start else end
        yield Sentence(text[start:end], sentence.start + start, sentence.start + end)
        start = end


def _fitting(text: str, start: int, size: int) -> int:
    """The end of the longest part from ``start`` that weighs at most ``size``; one character at least."""
    thirds = 3 * size
    end = start
    while end < len(text):
        thirds -= 1 if text[end].isascii() else 3
        if thirds < 0 and end > start:
            return end
        end += 1
    return end
