"""Gaps: what was asked and could not be answered, and what kind of document would answer it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kg_builder.question import Language
from kg_builder.relation import generic_relation
from service.answer import Gap
from service.language_pack import language_pack
from service.question_frame import frame
from training.language_pack import language_pack as training_pack

# Refusals that a document would have spared; the others are about the service, not its sources.
MISSING = frozenset(
    {"no_results", "insufficient_evidence", "unsupported_answer", "fallback_disabled", "no_model"}
)
EXAMPLES = 3  # wordings that are shown of one gap


def gap_of(question: str, language: Language) -> Gap:
    """Of whom or what, which attribute, and the kind of document that would answer ``question``."""
    pack, found = language_pack(language), frame(question, verbs=True)
    if found is None:
        subject, attribute, kind = None, training_pack(language).topic(question), "term"
    else:
        subject, attribute = found.subject, found.attribute
        kind = found.answer or generic_relation(found.attribute).answer
    document = pack.documents[kind]
    topic = _topic(subject, attribute, language)
    needed = pack.gap.replace("{document}", document).replace("{topic}", topic)
    return Gap(subject=subject, attribute=attribute, document=document, needed=needed)


def refusal(gap: Gap | None, language: Language) -> str:
    """The sentence that refuses; it names what is not known, where that can be told."""
    if gap is None or gap.subject is None:
        return language_pack(language).refusal
    return training_pack(language).refusal(_topic(gap.subject, gap.attribute, language))


def _topic(subject: str | None, attribute: str, language: Language) -> str:
    if subject is None:
        return attribute
    wording = language_pack(language).topic
    return wording.replace("{attribute}", attribute).replace("{subject}", subject)


@dataclass(slots=True)
class AskedGap:
    """A gap with how often it was asked, in which words, and when last."""

    gap: Gap
    times: int = 0
    last_asked: str = ""
    questions: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.gap.model_dump(),
            "times": self.times,
            "last_asked": self.last_asked,
            "questions": self.questions,
        }


def ranked(exported: Iterable[Mapping[str, Any]]) -> list[AskedGap]:
    """The gaps in records of ``question_log.export``, those asked most first; questions about one attribute
    of one subject are one gap, however they are worded."""
    found: dict[tuple[str, str], AskedGap] = {}
    for record in exported:
        if record["route"] != "refused" or record.get("reason") not in MISSING:
            continue
        gap = gap_of(record["text"], record["language"])
        key = ((gap.subject or "").casefold(), gap.attribute.casefold())
        entry = found.setdefault(key, AskedGap(gap))
        entry.times += record["times"]
        entry.last_asked = max(entry.last_asked, record.get("last_asked", ""))
        if len(entry.questions) < EXAMPLES:
            entry.questions.append(record["text"])
    return sorted(found.values(), key=lambda one: -one.times)
