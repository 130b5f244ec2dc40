"""Audit: how far a second opinion agrees with the labels, by which everything is taught."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kg_builder.question import Question
from training.generation import Message, Model, Sampling
from training.intervals import clustered_wilson, tally
from training.label import Label
from training.language_pack import language_pack

# "unscored": the second opinion cannot be told; it is counted apart, not as a disagreement.
Opinion = Literal["right", "wrong", "unscored"]

# Judges many answers at once, in order.
Judge = Callable[[Sequence[Question], Sequence[str]], Sequence[Opinion]]

NEW_TOKENS = 24


class Disagreement(BaseModel):
    """One question on which the two differ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    question: str
    gold: str
    answer: str
    verdict: str
    opinion: Opinion


class AuditReport(BaseModel):
    """Agreement between the labels' verdicts and a second opinion on the same greedy answers.

    ``confusion`` counts "verdict opinion" pairs. ``agreement`` has its 95% Wilson interval; ``kappa`` is
    Cohen's (1960), 0 for chance and 1 for perfect agreement, None where both always say the same one thing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    n: int
    unscored: int
    agreement: float | None
    agreement_interval: tuple[float, float]
    kappa: float | None
    confusion: dict[str, int]
    disagreements: tuple[Disagreement, ...]


def audit(
    questions: Sequence[Question],
    labels: Sequence[Label],
    judge: Judge,
    *,
    name: str,
    most: int = 50,
) -> AuditReport:
    """Ask ``judge`` about every greedy answer whose verdict is right or wrong; list ``most`` disagreements.

    Refusals and ambiguous answers are left out: the labels do not decide on them.
    """
    by_id = {q.id: q for q in questions}
    decided = [
        one for one in labels if one.question_id in by_id and one.verdict in ("right", "wrong")
    ]
    asked = [by_id[one.question_id] for one in decided]
    opinions = judge(asked, [one.answer for one in decided])
    if len(opinions) != len(decided):
        raise ValueError(f"the judge gave {len(opinions)} opinions on {len(decided)} answers")
    rows = list(zip(asked, decided, opinions, strict=True))
    told = [(q, one.verdict, opinion) for q, one, opinion in rows if opinion != "unscored"]
    scored = [(verdict, opinion) for _, verdict, opinion in told]
    agreeing = [verdict == opinion for verdict, opinion in scored]
    entities = [q.subject_id or q.id for q, _, _ in told]
    differing = [
        Disagreement(
            question_id=question.id,
            question=question.text,
            gold=question.gold.text,
            answer=one.answer,
            verdict=one.verdict,
            opinion=opinion,
        )
        for question, one, opinion in rows
        if opinion not in ("unscored", one.verdict)
    ]
    return AuditReport(
        judge=name,
        n=len(scored),
        unscored=len(rows) - len(scored),
        agreement=sum(agreeing) / len(scored) if scored else None,
        agreement_interval=clustered_wilson(tally(agreeing, entities)),
        kappa=cohen_kappa(scored),
        confusion=dict(sorted(Counter(f"{one.verdict} {op}" for _, one, op in rows).items())),
        disagreements=tuple(differing[:most]),
    )


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa (1960): (observed − expected) / (1 − expected) agreement."""
    if not pairs:
        return None
    n = len(pairs)
    observed = sum(a == b for a, b in pairs) / n
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(first[key] * second[key] for key in first) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def containment(questions: Sequence[Question], answers: Sequence[str]) -> list[Opinion]:
    """The article's own rule as a second opinion: the gold, as it is printed, stands in the answer."""
    return [
        "right" if any(name in text for names in q.gold.objects for name in names) else "wrong"
        for q, text in zip(questions, answers, strict=True)
    ]


def chat_judge(model: Model) -> Judge:
    """A chat model as judge: it is shown question, right answer and answer, and says yes or no."""

    def judge(questions: Sequence[Question], answers: Sequence[str]) -> list[Opinion]:
        conversations: list[list[Message]] = []
        for question, answer in zip(questions, answers, strict=True):
            template = language_pack(question.language).judge
            gold = " / ".join(name for names in question.gold.objects for name in names)
            content = template.replace("{question}", question.text).replace("{gold}", gold)
            conversations.append([{"role": "user", "content": content.replace("{answer}", answer)}])
        told = model.generate(conversations, Sampling(max_new_tokens=NEW_TOKENS))
        return [
            read_opinion(generation.text, question)
            for question, generation in zip(questions, told, strict=True)
        ]

    return judge


def read_opinion(text: str, question: Question) -> Opinion:
    """What the first of the judge's words in ``text`` says; unscored where there is none of them."""
    pack = language_pack(question.language)
    opinions: tuple[tuple[tuple[str, ...], Opinion], ...] = (
        (pack.judge_no, "wrong"),
        (pack.judge_yes, "right"),
    )
    found = [
        (match.start(), opinion)
        for words, opinion in opinions
        for word in words
        if (match := re.search(_whole(word), text, re.IGNORECASE))
    ]
    return min(found, key=lambda one: one[0])[1] if found else "unscored"


def _whole(word: str) -> str:
    """Latin words must stand alone: there is no "no" in "I do not know"."""
    return rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word)
