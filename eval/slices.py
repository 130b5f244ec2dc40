"""Slices of the robustness audit: the same facts in other forms, and questions that have no answer.

plain           as they are: what the others are compared with
paraphrase      in another wording of the catalogue
typo            one slip of the finger outside the name: letters swapped, doubled or left out
traditional     in traditional characters
english         the same fact asked in English (where the set has it)
false_premise   a relation that its kind of subject cannot have
unanswerable    what nobody's encyclopaedia tells
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from eval.language_pack import fill, language_pack
from kg_builder.files import digest
from kg_builder.question import Gold, Question

# No answer is right. A text that names this is none that a model would say.
NO_ANSWER = Gold(objects=(("\u2205",),))
FEWEST_SUBJECTS = 8  # of two relations, before their never meeting means anything


class Slice(BaseModel):
    """Questions of one form. ``origin`` is, for each, the id of the plain question that it varies."""

    name: str
    expect: Literal["answer", "refusal"]
    questions: list[Question]
    origin: list[str]


def make_slices(
    questions: Sequence[Question],
    *,
    counterparts: Sequence[Question] = (),
    per_slice: int = 100,
    seed: int = 0,
) -> list[Slice]:
    """The slices that can be made of ``questions``; empty ones are left out.

    ``counterparts`` are questions in the other language among which the same facts are looked up.
    """
    chosen = sorted(questions, key=lambda q: digest([seed, "audit", q.id]))[:per_slice]
    rng = random.Random(seed)
    variants: dict[str, Callable[[Question], Question | None]] = {
        "plain": lambda q: q,
        "paraphrase": _paraphrase,
        "typo": lambda q: _typo(q, rng),
        "traditional": _traditional,
        "english": _in_english(counterparts),
    }
    found = []
    for name, vary in variants.items():
        pairs = [(q, v) for q in chosen if (v := vary(q)) is not None]
        found.append(
            Slice(
                name=name,
                expect="answer",
                questions=[_named(v, q.id, name) for q, v in pairs],
                origin=[q.id for q, _ in pairs],
            )
        )
    for name, made in (
        ("false_premise", _false_premises(questions, chosen, rng)),
        ("unanswerable", [_unanswerable(q, i) for i, q in enumerate(chosen)]),
    ):
        found.append(
            Slice(
                name=name,
                expect="refusal",
                questions=[_named(v, q, name) for q, v in made],
                origin=[q for q, _ in made],
            )
        )
    return [s for s in found if s.questions]


def _named(question: Question, origin: str, slice_name: str) -> Question:
    return question.model_copy(update={"id": f"{origin}/{slice_name}"})


def _paraphrase(question: Question) -> Question | None:
    other = next((p for p in question.paraphrases if p != question.text), None)
    return None if other is None else question.model_copy(update={"text": other})


def _typo(question: Question, rng: random.Random) -> Question | None:
    """One slip outside the subject's name, which would make it another subject."""
    text, name = question.text, question.subject
    start = text.find(name) if name else -1
    free = [
        i
        for i in range(len(text) - 1)
        if not (start >= 0 and start - 1 <= i < start + len(name))
        and text[i].isalpha()
        and text[i + 1].isalpha()
    ]
    if not free:
        return None
    i = rng.choice(free)
    slips = [text[:i] + text[i + 1 :], text[: i + 1] + text[i] + text[i + 1 :]]
    if text[i] != text[i + 1]:
        slips.append(text[:i] + text[i + 1] + text[i] + text[i + 2 :])
    return question.model_copy(update={"text": rng.choice(slips)})


@cache
def _to_traditional() -> Any:
    from opencc import OpenCC

    return OpenCC("s2t")


def _traditional(question: Question) -> Question | None:
    if question.language != "zh":
        return None
    text = _to_traditional().convert(question.text)
    return None if text == question.text else question.model_copy(update={"text": text})


def _in_english(counterparts: Sequence[Question]) -> Callable[[Question], Question | None]:
    found = {(q.subject_id, q.relation): q for q in counterparts if q.language == "en"}

    def vary(question: Question) -> Question | None:
        if question.language == "en":
            return None
        return found.get((question.subject_id, question.relation))

    return vary


def _false_premises(
    questions: Sequence[Question], chosen: Sequence[Question], rng: random.Random
) -> list[tuple[str, Question]]:
    """A subject in the wording of a relation that it cannot have: no subject of the whole set has both
    relations, though each has many subjects."""
    subjects: dict[str, set[str]] = defaultdict(set)
    example: dict[tuple[str, str], Question] = {}
    for q in questions:
        if q.relation:
            subjects[q.relation].add(q.subject_id)
            if q.subject and q.subject in q.text:
                example.setdefault((q.relation, q.language), q)
    common = sorted(r for r, s in subjects.items() if len(s) >= FEWEST_SUBJECTS)
    made = []
    for q in chosen:
        if q.relation not in common:
            continue
        strange = [
            r
            for r in common
            if not subjects[r] & subjects[q.relation] and (r, q.language) in example
        ]
        if strange:
            other = example[rng.choice(strange), q.language]
            made.append((q.id, _without_answer(q, other.text.replace(other.subject, q.subject))))
    return made


def _unanswerable(question: Question, number: int) -> tuple[str, Question]:
    words = language_pack(question.language).audit.unanswerable
    text = fill(words[number % len(words)], subject=question.subject or question.topic)
    return question.id, _without_answer(question, text)


def _without_answer(question: Question, text: str) -> Question:
    return question.model_copy(
        update={"text": text, "gold": NO_ANSWER, "topic": text, "relation": "", "paraphrases": ()}
    )
