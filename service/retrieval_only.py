"""RetrievalOnly: stands where the model would, in a service that answers from documents alone."""

from __future__ import annotations

from collections.abc import Sequence

from kg_builder.errors import UserError
from service.seams import PROFILES
from training.attempt import Attempt, OperatingPoint
from training.generation import Generation

UNCERTIFIED = (
    "Without a model no precision can be certified: every answer is read from documents. "
    "Leave out min_precision, or serve a run."
)


class NoModelError(UserError):
    """Something was asked for that only a model can give."""


class RetrievalOnly:
    """The Attempter that abstains from every question, so that retrieval answers all of them.

    Its operating points promise nothing: no question is answered directly, whatever the profile, and
    no precision can be certified.
    """

    name = "retrieval-only"

    def attempt(self, questions: Sequence[str]) -> list[Attempt]:
        abstained = Attempt(
            text="",
            refused=True,
            refusal_text="",
            confidence=0.0,
            signals={},
            generation=Generation(text=""),
        )
        return [abstained for _ in questions]

    def operating_point(
        self, *, profile: str | None = None, min_precision: float | None = None
    ) -> OperatingPoint:
        """A point that lets nothing through. Raises NoModelError for a precision."""
        if min_precision is not None:
            raise NoModelError(UNCERTIFIED)
        return OperatingPoint(
            name=profile or PROFILES[0],
            threshold=1.0,
            target_precision=None,
            certified=False,
            bound=None,
            n=0,
            coverage=0.0,
            delta=1.0,
        )
