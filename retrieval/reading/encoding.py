"""Encoding: a question, a title and a text as the token ids of a span reader, with the way back.

The input is that of XLM-R: ``<s> question </s> title </s> text </s>``. A token's type says which side
it is on, the question or what is read, and how long a run of the other side it belongs to
(``retrieval.reading.overlap``): type = LEVELS · side + level. Characters are simplified one for one
before they are cut into tokens, so that offsets are those of the original text and a text in
traditional characters is read like any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retrieval.errors import RetrievalError
from retrieval.reading.overlap import LEVELS, Runs
from retrieval.segmentation import simplify

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
QUESTION_TOKENS = 64  # of a longer question the first ones are read
TITLE_TOKENS = 24


class Window(NamedTuple):
    """One input. ``offsets[i]`` is the place in the text of token ``first + i``; of no other token."""

    ids: list[int]
    types: list[int]
    first: int
    offsets: list[tuple[int, int]]


class Pieces(NamedTuple):
    """Token ids of a text, with their character offsets in it and their types."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    types: list[int]


class Inputs(NamedTuple):
    """The three parts of an input; no title: None."""

    question: Pieces
    title: Pieces | None
    text: Pieces


class Encoder:
    """Text to windows of at most ``limit`` tokens."""

    def __init__(self, tokenizer: Tokenizer, limit: int = 384) -> None:
        self._tokenizer = tokenizer
        self.limit = limit
        self.start = self._id("<s>")
        self.stop = self._id("</s>")
        self.pad = self._id("<pad>")

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise RetrievalError(f"The tokenizer lacks {token}: it is no XLM-R tokenizer.")
        return found

    @classmethod
    def load(cls, folder: Path, limit: int = 384) -> Encoder:
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_file(str(folder / TOKENIZER)), limit)
        except Exception as error:  # the library raises bare exceptions
            raise RetrievalError(f"{folder / TOKENIZER}: no tokenizer ({error}).") from error

    def inputs(self, question: str, title: str, text: str) -> Inputs:
        """The parts, cut into tokens."""
        asked, read = Runs([question]), Runs([title, text])
        return Inputs(
            self._pieces(question, read, 0),
            self._pieces(title, asked, LEVELS) if title.strip() else None,
            self._pieces(text, asked, LEVELS),
        )

    def _pieces(self, text: str, other: Runs, side: int) -> Pieces:
        encoded = self._tokenizer.encode(simplify(text), add_special_tokens=False)
        levels = other.levels(text)
        types = [side + max(levels[a:b], default=0) for a, b in encoded.offsets]
        return Pieces(encoded.ids, encoded.offsets, types)

    def _head(self, inputs: Inputs) -> tuple[list[int], list[int]]:
        """Ids and types of what stands before the text."""
        asked, title = inputs.question, inputs.title
        ids = [self.start, *asked.ids[:QUESTION_TOKENS], self.stop]
        types = [0, *asked.types[:QUESTION_TOKENS], 0]
        if title is not None:
            ids += [*title.ids[:TITLE_TOKENS], self.stop]
            types += [*title.types[:TITLE_TOKENS], LEVELS]
        return ids, types

    def window(self, inputs: Inputs, start: int, end: int) -> Window:
        """The input with the tokens ``start`` to ``end`` of the text."""
        ids, types = self._head(inputs)
        text = inputs.text
        return Window(
            [*ids, *text.ids[start:end], self.stop],
            [*types, *text.types[start:end], LEVELS],
            len(ids),
            text.offsets[start:end],
        )

    def windows(self, question: str, title: str, text: str, overlap: int = 96) -> list[Window]:
        """A text of any length as windows that overlap by ``overlap`` tokens."""
        inputs = self.inputs(question, title, text)
        count = len(inputs.text.ids)
        room = self.limit - len(self._head(inputs)[0]) - 1
        overlap = min(overlap, room // 2)  # or a long question would leave no way forward
        found, start = [], 0
        while True:
            end = min(count, start + room)
            found.append(self.window(inputs, start, end))
            if end == count:
                return found
            start = end - overlap
