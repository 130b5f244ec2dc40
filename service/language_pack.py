"""LanguagePack: what the service itself says, in the language of the question."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kg_builder.literals import HAN
from kg_builder.question import Language

FOLDER = Path(__file__).parent / "language"
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class FollowUp(BaseModel):
    """How a follow-up is told from a question of its own: see ``service.dialogue``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lead_ins: tuple[str, ...]
    endings: tuple[str, ...]
    question_words: tuple[str, ...]
    function_words: tuple[str, ...]  # before a pronoun they are nothing that it could mean
    adverbs: tuple[str, ...]
    pronouns: dict[str, Literal["man", "woman", "person", "people", "thing", "things", "any"]]
    attribute_question: str  # {s}, {p} and the {word} for its kind of answer
    words: dict[str, str]
    feminine: tuple[str, ...]  # who is asked for is a woman
    masculine: tuple[str, ...]


class LanguagePack(BaseModel):
    """The refusal sentence, and an explanation for every machine-readable reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language
    refusal: str
    explanations: dict[str, str]
    follow_up: FollowUp
    time_words: tuple[str, ...]  # they make an answer depend on when it is asked
    as_of: str  # {date}
    gap: str  # {topic} and the {document} that would answer
    topic: str  # {subject}, {attribute}
    documents: dict[str, str]  # by kind of answer

    def explanation(self, reason: str) -> str | None:
        return self.explanations.get(reason)


@lru_cache
def language_pack(language: Language) -> LanguagePack:
    with (FOLDER / f"{language}.toml").open("rb") as stream:
        return LanguagePack.model_validate(tomllib.load(stream))


def language_of(text: str) -> Language:
    """The language of someone who wrote ``text``: a Chinese character makes it Chinese."""
    return "zh" if HAN.search(text) else "en"
