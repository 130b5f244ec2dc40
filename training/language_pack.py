"""LanguagePack: prompts, refusals and the refusal detector of one language, read from data files."""

from __future__ import annotations

import re
import tomllib
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.errors import UserError
from kg_builder.question import Language

FOLDER = Path(__file__).parent / "language"


class LanguagePackError(UserError):
    """There is no pack for a language, or it is not what it should be."""


class LanguagePack(BaseModel):
    """Everything that is said to a model, and the rule by which its refusals are recognised."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    language: Language
    prompts: tuple[str, ...] = Field(min_length=1)
    refusals: tuple[str, ...] = Field(min_length=1)
    refusal_prefix: str
    not_topic: tuple[str, ...] = ()
    fixed_form: str
    stop: str  # between two sentences
    sure: str
    unsure: str
    p_true: str
    p_true_with_ideas: str
    p_true_options: tuple[str, str]  # yes, no
    judge: str
    judge_yes: tuple[str, ...]
    judge_no: tuple[str, ...]
    refusal_openers: tuple[str, ...] = ()
    refusal_patterns: tuple[str, ...] = Field(min_length=1)

    @cached_property
    def _detector(self) -> re.Pattern[str]:
        openers, patterns = "|".join(self.refusal_openers), "|".join(self.refusal_patterns)
        before = rf"(?:(?:{openers})[\s,，。.!！:：;-]*){{0,3}}" if openers else ""
        return re.compile(f"{before}(?:{patterns})", re.IGNORECASE)

    def prompt(self, question: str, wording: int = 0) -> str:
        """The user turn that asks ``question``; ``wording`` 0 is the experiment's."""
        return self.wording(wording).replace("{question}", question)

    def wording(self, number: int) -> str:
        """The prompt template of that number, counted round."""
        return self.prompts[number % len(self.prompts)]

    def refusal(self, topic: str, wording: int = 0) -> str:
        return self.refusals[wording % len(self.refusals)].replace("{topic}", topic)

    def topic(self, question: str) -> str:
        """What ``question`` asks about, as near as patterns can tell: 「岳云的父亲是谁?」 asks about
        「岳云的父亲」. Never empty where the question is not."""
        topic = question.strip()
        for pattern in self.not_topic:
            topic = re.sub(pattern, "", topic, count=1, flags=re.IGNORECASE).strip() or topic
        return topic

    def fixed_answer(self, topic: str, answer: str) -> str:
        return self.fixed_form.replace("{topic}", topic).replace("{answer}", answer)

    def is_refusal(self, text: str) -> bool:
        """Whether ``text`` opens with a refusal.

        The opening decides: 「我不知道…。可能是甲。」 is a refusal (its guess is not an answer given in
        earnest), 「巴黎。我不确定年份。」 is an answer.
        """
        return self._detector.match(text.strip().replace("’", "'")) is not None


@lru_cache
def language_pack(language: Language) -> LanguagePack:
    """The pack of ``language`` ("zh" or "en")."""
    path = FOLDER / f"{language}.toml"
    try:
        with path.open("rb") as stream:
            return LanguagePack.model_validate(tomllib.load(stream))
    except FileNotFoundError as error:
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
        raise LanguagePackError(
            f"No language pack for {language!r}. There are: {known}. Add {path.name} beside them."
        ) from error


def is_refusal(text: str) -> bool:
    """Whether ``text`` is a refusal in any language that has a pack."""
    return any(language_pack(language).is_refusal(text) for language in ("zh", "en"))
