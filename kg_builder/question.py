"""Question and Gold: what is asked, and what counts as a right answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

GUESSABLE = 0.1  # answer_share from which a right answer may be a guess

Language = Literal["zh", "en"]
Split = Literal["train", "calibration", "test"]
AnswerType = Literal[
    "person", "place", "date", "number", "organization", "work", "language", "thing", "term"
]


class Gold(BaseModel):
    """The right answer to a question.

    ``objects`` holds one tuple per object of the fact: its canonical name first, then every other
    name it is known by (aliases, the label in the other language). A single-valued fact has one
    entry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    objects: tuple[tuple[str, ...], ...] = Field(min_length=1)
    need_all: bool = False  # every object must be named (default: any one of them suffices)
    answer_type: AnswerType = "term"

    @property
    def text(self) -> str:
        """The canonical answer as one would print it."""
        return "、".join(names[0] for names in self.objects)


class Question(BaseModel):
    """One question about one fact, in one language, with one wording.

    ``topic`` is 「S的P」 ("the P of S"), the phrase a refusal names. ``subject_id`` groups the
    questions about one entity: splits never separate them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    text: str
    language: Language
    subject: str
    subject_id: str
    relation: str  # id in the relation catalogue
    topic: str
    gold: Gold
    split: Split
    paraphrases: tuple[str, ...] = ()  # the same question in the catalogue's other wordings
    popularity: float | None = None  # larger is better known; its scale belongs to the source
    source: str = ""
    # How often the commonest answer of the relation would be right, and how often this one is, among
    # the facts of the graph that could be asked; None where there are too few to say.
    changing: bool = False  # true at its time; asked only where the user wants it
    incomplete: bool = False  # others may be right that the source does not tell
    base_rate: float | None = None
    answer_share: float | None = None

    @property
    def guessable(self) -> bool:
        """Whether saying the same to every question of the relation is often right, and right here."""
        return self.answer_share is not None and self.answer_share >= GUESSABLE
