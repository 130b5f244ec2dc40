"""LanguagePack: what the service itself says, in the language of the question."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language

FOLDER = Path(__file__).parent / "language"
LANGUAGES: tuple[Language, ...] = ("zh", "en")

# Han characters, their extensions and compatibility forms: one of them makes a question Chinese.
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")


class LanguagePack(BaseModel):
    """The refusal sentence, and an explanation for every machine-readable reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language
    refusal: str
    explanations: dict[str, str]

    def explanation(self, reason: str) -> str | None:
        return self.explanations.get(reason)


@lru_cache
def language_pack(language: Language) -> LanguagePack:
    with (FOLDER / f"{language}.toml").open("rb") as stream:
        return LanguagePack.model_validate(tomllib.load(stream))


def language_of(text: str) -> Language:
    """The language in which to speak to someone who wrote ``text``."""
    return "zh" if HAN.search(text) else "en"
