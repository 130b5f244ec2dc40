"""Chunking: a long text cut into passages of whole sentences that overlap."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, model_validator

from retrieval.sentences import Sentence, sentences


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
    if weight(text) <= settings.size:
        if text.strip():
            yield text.strip()
        return
    pieces = [part for sentence in sentences(text) for part in cut(sentence, settings.size)]
    start = 0
    while start < len(pieces):
        end, spent = start, 0.0
        while end < len(pieces) and (
            end == start or spent + weight(pieces[end].text) <= settings.size
        ):
            spent += weight(pieces[end].text)
            end += 1
        yield text[pieces[start].start : pieces[end - 1].end].strip()
        if end == len(pieces):
            return
        back, repeated = end, 0.0
        while back - 1 > start and repeated + weight(pieces[back - 1].text) <= settings.overlap:
            back -= 1
            repeated += weight(pieces[back].text)
        start = back


def cut(sentence: Sentence, size: int) -> Iterator[Sentence]:
    """A sentence in parts of at most ``size``, cut at a space or comma where there is one."""
    text, start = sentence.text, 0
    while weight(text[start:]) > size:
        end = start + 1
        while end < len(text) and weight(text[start : end + 1]) <= size:
            end += 1
        seam = max(text.rfind(mark, start + (end - start) // 2, end) for mark in " ,，、;；")
        end = seam + 1 if seam > start else end
        yield Sentence(text[start:end], sentence.start + start, sentence.start + end)
        start = end
    if text[start:]:
        yield Sentence(text[start:], sentence.start + start, sentence.end)
