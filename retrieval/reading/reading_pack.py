"""ReadingPack: what a reading model is told and how its replies are understood, in one language."""

from __future__ import annotations

import re
import tomllib
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language

FOLDER = Path(__file__).parents[1] / "language"
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class ReadingPack(BaseModel):
    """Prompts, the two replies that are no answer, and what a text that gives orders looks like."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    language: Language
    system: str
    passage: str
    question: str
    insufficient: str
    conflicting: str
    refusals: tuple[str, ...]
    particles: frozenset[str]
    negations: tuple[str, ...]
    harmless: tuple[str, ...]
    interrogatives: frozenset[str]
    qualifiers: tuple[str, ...]
    orders: tuple[str, ...]

    @cached_property
    def _refusal(self) -> re.Pattern[str]:
        return re.compile("|".join(self.refusals), re.I)

    def is_refusal(self, reply: str) -> bool:
        return reply.startswith(self.insufficient) or self._refusal.match(reply) is not None


@lru_cache
def reading_pack(language: Language) -> ReadingPack:
    with (FOLDER / f"{language}.toml").open("rb") as stream:
        return ReadingPack.model_validate(tomllib.load(stream))
