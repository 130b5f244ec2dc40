"""Label: whether the model knows the answer, by its own answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kg_builder.matching import matches
from kg_builder.question import Question
from training.language_pack import is_refusal
from training.probe import Probe

Category = Literal["HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown"]


class LabelSettings(BaseModel):
    """When a question counts as known.

    Without samples the article's rule holds: the greedy answer is right, or it is not. With samples
    P(correct) decides: at least ``known_from`` is known, at most ``unknown_to`` unknown, and what lies
    between is set aside.
    """

    model_config = ConfigDict(extra="forbid")

    known_from: float = Field(0.75, ge=0, le=1)
    unknown_to: float = Field(0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _band(self) -> LabelSettings:
        if self.unknown_to >= self.known_from:
            raise ValueError(
                f"unknown_to ({self.unknown_to}) must be below known_from ({self.known_from})"
            )
        return self


class Label(BaseModel):
    """What a probe says about one question. ``known`` is None where it is set aside, with the reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    known: bool | None
    verdict: Literal["right", "wrong", "ambiguous", "refused"]  # of the greedy answer
    answer: str
    p_correct: float  # over the greedy and all sampled answers
    category: Category  # SliCK (Gekhman et al. 2024)
    reason: str = ""


def verdict(question: Question, text: str) -> Literal["right", "wrong", "ambiguous", "refused"]:
    """The verdict on one answer; a refusal is neither right nor wrong."""
    if is_refusal(text):
        return "refused"
    return matches(text, question.gold, question=question.text).verdict


def label(question: Question, probe: Probe, settings: LabelSettings) -> Label:
    """Judge a probe. Needs no model: the same ledger can be labelled again by other settings."""
    greedy = verdict(question, probe.greedy.text)
    sampled = [verdict(question, g.text) for g in probe.samples]
    everything = [greedy, *sampled]
    p_correct = everything.count("right") / len(everything)
    doubtful = everything.count("ambiguous") / len(everything)  # these might be right
    known: bool | None = greedy == "right"
    reason = ""
    if greedy == "ambiguous":
        known, reason = None, "the answer is ambiguous"
    elif sampled:
        if p_correct >= settings.known_from and greedy == "right":
            known = True
        elif greedy != "right" and p_correct + doubtful <= settings.unknown_to:
            known = False
        else:
            known, reason = None, "the model is of two minds"
    return Label(
        question_id=question.id,
        known=known,
        verdict=greedy,
        answer=probe.greedy.text,
        p_correct=p_correct,
        category=category(greedy == "right", [v == "right" for v in sampled]),
        reason=reason,
    )


def known_by_id(labels: Sequence[Label]) -> dict[str, bool]:
    """What is known, by question id, without what is set aside."""
    return {one.question_id: one.known for one in labels if one.known is not None}


def category(greedy_right: bool, sampled_right: Sequence[bool]) -> Category:
    """SliCK's four degrees: HighlyKnown always right, MaybeKnown sometimes right with the greedy answer
    right, WeaklyKnown right in samples only, Unknown never."""
    if greedy_right:
        return "HighlyKnown" if all(sampled_right) else "MaybeKnown"
    return "WeaklyKnown" if any(sampled_right) else "Unknown"
