"""Plausibility: can a text be the answer to what is asked, going by the answers of the bundle's own graph?

A year is no author and a place no date. Nothing of this is listed: the forms of a relation's answers and what
else its answers answer are counted in the graph. The question given back, its subject and mere punctuation
are never answers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from kg_builder.matching.normalise import is_ideograph
from kg_builder.question import Question
from training.domain import Link, key
from training.signals import answer_key

ENOUGH = 20  # answers of a relation, before a form or a kind that none of them has means anything
TIMES = 20.0  # as often as for this relation must a form be that of other relations' answers
ECHO = 0.6  # of the question, from which on an answer that stands in it is the question again


class AnswerKinds(BaseModel):
    """What the answers of each relation look like, and which relations each answer answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    forms: dict[str, dict[int, int]]  # form of an answer → relation → how often
    objects: dict[str, tuple[int, ...]]  # key of an answer → relations

    @classmethod
    def of(cls, questions: Iterable[Question], relations: Sequence[str]) -> AnswerKinds:
        """Counted over all questions of a graph; ``relations`` gives each its number."""
        number = {relation: i for i, relation in enumerate(relations)}
        forms: dict[str, Counter[int]] = defaultdict(Counter)
        objects: dict[str, set[int]] = defaultdict(set)
        for question in questions:
            relation = number[question.relation]
            for names in question.gold.objects:
                forms[form(names[0])][relation] += 1
                for name in names:
                    objects[key(name)].add(relation)
        return cls(
            forms={shape: dict(counts) for shape, counts in forms.items()},
            objects={name: tuple(sorted(found)) for name, found in objects.items() if name},
        )

    def implausible(self, question: str, link: Link, answer: str) -> bool:
        """Whether ``answer`` cannot be one to ``question``, which links to the domain by ``link``."""
        said, asked = key(_first(answer)), key(question)
        if not said or said == link.name or said == asked:
            return True
        if said in asked and len(said) >= ECHO * len(asked):
            return True
        wanted = link.relations
        return bool(wanted) and (
            all(self._other_form(answer, relation) for relation in wanted)
            or all(self._other_kind(said, relation) for relation in wanted)
        )

    def _other_form(self, answer: str, relation: int) -> bool:
        n = self._answers[relation]
        counts = self.forms.get(form(_first(answer)), {})
        here = counts.get(relation, 0)
        others, rest = sum(counts.values()) - here, sum(self._answers.values()) - n
        if n < ENOUGH or others < ENOUGH:
            return False
        return others / rest > TIMES * (here + 1) / (n + 1)

    def _other_kind(self, said: str, relation: int) -> bool:
        """Whether all that this is known to answer has no answer in common with the relation."""
        known = self.objects.get(said, ())
        return bool(known) and all(
            not self._shared[relation, other]
            and min(self._shared[relation, relation], self._shared[other, other]) >= ENOUGH
            for other in known
        )

    @cached_property
    def _answers(self) -> Counter[int]:
        total: Counter[int] = Counter()
        for counts in self.forms.values():
            total.update(counts)
        return total

    @cached_property
    def _shared(self) -> Counter[tuple[int, int]]:
        """How many answers two relations have in common."""
        return Counter((a, b) for found in self.objects.values() for a in found for b in found)


def _first(answer: str) -> str:
    """What an answer says first; an answer may begin with a point: .fr"""
    return answer_key(answer) or answer.strip("。 \n")


def form(answer: str) -> str:
    """What an answer looks like: digits as one 9, what stands at them as it is, other letters as 文 or a."""
    pieces = []
    for match in re.finditer(r"(公元前|前|公元)?\d+(\D)?|[^\d]", re.sub(r"\d[\d,.]*", "0", answer)):
        text = match.group()
        if text[-1].isdigit() or (len(text) > 1 and any(map(str.isdigit, text))):
            pieces.append(text.replace("0", "9").strip())
        elif is_ideograph(text):
            pieces.append("文")
        elif text.isalpha():
            pieces.append("a")
    return re.sub(r"(文|a)\1*", r"\1", "".join(pieces))
