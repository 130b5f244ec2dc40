"""LanguagePack: the words of the evaluation in one language, read from data files."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from eval.verdict import Verdict
from kg_builder.question import Language

FOLDER = Path(__file__).parent / "language"


def fill(template: str, **parts: str) -> str:
    """Put parts into a template in one pass, so that a part with braces in it is not taken for a
    field."""
    fields = "|".join(parts)
    return re.sub(rf"\{{({fields})\}}", lambda m: parts[m[1]], template)


class JudgeWords(BaseModel):
    """The judge's prompt, and how its conclusion is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    conclusion: str
    verdicts: dict[str, Verdict]

    def ask(self, question: str, gold: str, answer: str) -> str:
        return fill(self.prompt, question=question, gold=gold, answer=answer)

    def read(self, text: str) -> Verdict:
        """The last conclusion counts; without one the answer is unscored."""
        found = re.findall(self.conclusion, text, re.IGNORECASE)
        return self.verdicts[found[-1].upper()] if found else "unscored"


class AuditWords(BaseModel):
    """What the robustness audit says; fields in braces are filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unanswerable: tuple[str, ...]
    instructions: tuple[str, ...]
    falsehoods: tuple[str, ...]


class LanguagePack(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: JudgeWords
    audit: AuditWords
    report: dict[str, str] = {}


@lru_cache
def language_pack(language: Language) -> LanguagePack:
    with (FOLDER / f"{language}.toml").open("rb") as stream:
        return LanguagePack.model_validate(tomllib.load(stream))
