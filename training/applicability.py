"""Applicability: where a bundle's promise ends, decided before the model is asked and once it has answered.

A certificate holds for questions like those it was made from. So a question in a language that was not
calibrated, or one that neither names something of the bundle's graph nor asks as its questions do, is left to
retrieval; one that does is put to the model in the very wording that was calibrated; and an answer of the
wrong kind is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from kg_builder.files import write_text
from kg_builder.question import Language, Question
from training.domain import Domain, Link
from training.errors import BundleError
from training.novelty import Novelty, default_novelty
from training.plausibility import AnswerKinds

FORMAT = 1
FILE = "applicability.json"
MAKE_AGAIN = "Make it again: zhizhi bundle applicability RUN"

Objection = Literal[
    "other_language",  # the bundle was not calibrated in the question's language
    "outside_calibration",  # the question is not like those that were calibrated
    "implausible_answer",  # the answer is of another kind than what is asked
]

HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
# Kana, hangul, Cyrillic, Greek, Arabic, Hebrew, Devanagari and Thai letters.
OTHER = re.compile(
    r"[\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff\u0370-\u03ff\u0590-\u06ff\u0900-\u097f\u0e00-\u0e7f]"
)
MOSTLY = 0.9  # of the Chinese questions are in simplified characters, in a bundle that is


class Prepared(NamedTuple):
    """A question as the model is to be asked it, or the objection to asking it at all."""

    text: str
    link: Link | None
    objection: Objection | None


class Applicability(BaseModel):
    """What a bundle knows of where it applies: applicability.json in its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    languages: tuple[Language, ...]
    simplified: bool  # Chinese questions are in simplified characters
    domain: Domain
    novelty: Novelty
    answers: AnswerKinds

    @classmethod
    def of(cls, questions: Sequence[Question], novelty: Novelty | None = None) -> Applicability:
        """From all questions of a graph, whatever their split; without a ``novelty`` of its own with the
        weights that come with the project."""
        domain = Domain.of(questions)
        chinese = [q.text for q in questions if q.language == "zh"]
        same = sum(to_simplified(text) == text for text in chinese)
        return cls(
            languages=tuple(dict.fromkeys(q.language for q in questions)),
            simplified=bool(chinese) and same >= MOSTLY * len(chinese),
            domain=domain,
            novelty=novelty or default_novelty(),
            answers=AnswerKinds.of(questions, domain.relations),
        )

    @classmethod
    def load(cls, folder: Path) -> Applicability | None:
        """Of the bundle in ``folder``; None where it was made before there was one. Raises BundleError."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            value: Any = json.loads(path.read_bytes())
            found = value.get("format") if isinstance(value, dict) else None
            if found != FORMAT:
                raise BundleError(
                    f"{path} has format {found}; this version reads {FORMAT}. {MAKE_AGAIN}"
                )
            return cls.model_validate(value)
        except (OSError, ValueError, ValidationError) as error:
            raise BundleError(f"{path} cannot be read ({error}). {MAKE_AGAIN}") from error

    def save(self, folder: Path) -> None:
        """Into ``folder``, whose manifest has to be written after it."""
        write_text(folder / FILE, self.model_dump_json() + "\n")

    def prepare(self, question: str) -> Prepared:
        """What the model is to be asked, or why it is not asked."""
        language = written_in(question)
        if language not in self.languages:
            return Prepared(question, None, "other_language")
        link = self.domain.link(question)
        calibrated = self.domain.calibrated_wording(link, language)
        if calibrated is not None:
            return Prepared(calibrated, link, None)
        outside = self.novelty.is_outside(link)
        return Prepared(self._in_script(question), link, "outside_calibration" if outside else None)

    def objects_to(self, question: str, answer: str, link: Link | None = None) -> bool:
        """Whether ``answer`` is of another kind than ``question`` asks for; ``link`` is how that links to the
        domain, where it is at hand."""
        return self.answers.implausible(question, link or self.domain.link(question), answer)

    def _in_script(self, question: str) -> str:
        """In simplified characters, where those are what the bundle was calibrated in."""
        if not self.simplified or HAN.search(question) is None:
            return question
        simple = to_simplified(question)
        changed = set(question) - set(simple)
        return question if changed <= self._alphabet else simple

    @cached_property
    def _alphabet(self) -> frozenset[str]:
        """The characters that the calibrated questions write names with."""
        names = (one.written for named in self.domain.names.values() for one in named)
        return frozenset("".join(names))


def written_in(question: str) -> Language | None:
    """Chinese where there is any ideograph, else English; None where most letters are of another script."""
    others = len(OTHER.findall(question))
    own = len(HAN.findall(question)) + len(LATIN.findall(question))
    if others and others >= own:
        return None
    return "zh" if HAN.search(question) else "en"


@cache
def _converters() -> tuple[Any, ...]:
    from opencc import OpenCC

    return tuple(OpenCC(name) for name in ("tw2s", "t2s"))


def to_simplified(text: str) -> str:
    """``text`` in simplified characters, by OpenCC's tables of phrases."""
    for converter in _converters():
        text = converter.convert(text)
    return text
