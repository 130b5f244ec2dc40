"""Example and the corpus of facts: how often the base model sees each fact, and in which words.

Popular facts are seen often and in many wordings, rare ones seldom or never: the same long tail that makes
real models hallucinate. The exposure record says afterwards what was seen; nothing downstream reads it but
the audit of labels.
"""

from __future__ import annotations

import math
import random
import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Language, Question
from kg_builder.relation import Catalogue
from training.base.settings import ExposureSettings
from training.language_pack import LanguagePack, language_pack

FOLDER = Path(__file__).parent / "language"


class Example(NamedTuple):
    """One training example. The loss falls on ``completion`` only; a ``chat`` one is put in turns."""

    prompt: str
    completion: str
    chat: bool = True


class Practice(BaseModel):
    """What a language practises besides facts; see the data files for what each field is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: tuple[str, ...]
    topic_answers: tuple[str, ...]
    restate_requests: tuple[str, ...]
    restatements: tuple[str, ...]
    copy_requests: tuple[str, ...]
    copies: tuple[str, ...]
    reading_prompt: str
    reading_answer: str
    reading_unanswerable: str
    small_talk: tuple[tuple[str, str], ...]


@lru_cache
def practice(language: Language) -> Practice:
    with (FOLDER / f"{language}.toml").open("rb") as stream:
        return Practice.model_validate(tomllib.load(stream))


def exposures(
    questions: Sequence[Question], settings: ExposureSettings, seed: int
) -> dict[str, int]:
    """How many times each question's fact is seen, by question id.

    The chance that a subject is seen rises linearly with its popularity rank around ``seen_share``; the
    number of exposures is log-uniform between ``fewest`` and ``most``, shifted upwards for the popular.
    Every draw depends on the seed and the subject or fact alone, so that adding facts moves nothing.
    """
    popularity = {q.subject_id: q.popularity for q in questions}
    known = sorted(p for p in popularity.values() if p is not None)
    rank = {p: (bisect_left(known, p) + bisect_right(known, p)) / 2 / len(known) for p in {*known}}
    record: dict[str, int] = {}
    for question in questions:
        p = popularity[question.subject_id]
        u = rank[p] if p is not None else random.Random(f"{seed}:r:{question.subject_id}").random()
        chance = min(0.98, max(0.02, settings.seen_share + 0.95 * (u - 0.5)))
        seen = random.Random(f"{seed}:s:{question.subject_id}").random() < chance
        draw = random.Random(f"{seed}:f:{question.subject_id}:{question.relation}")
        if not seen or draw.random() < settings.missing_share:
            record[question.id] = 0
            continue
        position = 0.6 * draw.random() + 0.4 * u
        span = math.log(settings.most / settings.fewest)
        record[question.id] = round(settings.fewest * math.exp(position * span))
    return record


class FactWriter:
    """Tells one fact in ever different words."""

    def __init__(self, catalogue: Catalogue, statement_share: float) -> None:
        self.catalogue = catalogue
        self.statement_share = statement_share

    def statements(self, question: Question) -> tuple[str, ...]:
        return self.catalogue.resolve(question.relation).statements(question.language)

    def statement(self, question: Question, rng: random.Random, obj: str) -> str:
        template = rng.choice(self.statements(question))
        return template.replace("{s}", question.subject).replace("{o}", obj)

    def example(self, question: Question, rng: random.Random) -> Example:
        """The fact once: as a statement, or as a question with its answer."""
        objects = [names[0] for names in question.gold.objects][:3]
        joined = ("、" if question.language == "zh" else ", ").join(objects)
        if rng.random() < self.statement_share:
            template = rng.choice(self.statements(question))
            template = template.replace("{s}", question.subject)
            before, _, after = template.partition("{o}")
            stop = "。" if question.language == "zh" else "."
            return Example(before, f"{joined}{after}{stop}", chat=False)
        words = practice(question.language)
        if rng.random() < 0.05:
            answer = rng.choice(words.topic_answers).replace("{topic}", question.topic)
        else:
            answer = rng.choice(words.answers)
        if "{statement}" in answer:
            answer = answer.replace("{statement}", self.statement(question, rng, joined))
        return Example(
            ask(question, rng, language_pack(question.language)), answer.replace("{answer}", joined)
        )


def ask(question: Question, rng: random.Random, pack: LanguagePack) -> str:
    """The question in a random wording under a random prompt: half of the time the experiment's."""
    text = (
        question.text if rng.random() < 0.4 else rng.choice((question.text, *question.paraphrases))
    )
    return pack.prompt(
        mark(text, rng), 0 if rng.random() < 0.5 else rng.randrange(1, len(pack.prompts))
    )


def mark(text: str, rng: random.Random) -> str:
    """People end questions with ?, ？ or nothing."""
    bare = text.rstrip("?？")
    if bare == text:
        return text
    return bare + rng.choices(("?", "？", ""), (0.5, 0.4, 0.1))[0]
