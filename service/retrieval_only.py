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
# The precision that a profile asks of what is read, where no bundle says it.
TARGETS: dict[str, float] = {"webqa": 0.90, "chat": 0.80, "strict": 0.97}
NEVER = 1.1  # a threshold above every confidence


class NoModelError(UserError):
    """Something was asked for that only a model can give."""


class RetrievalOnly:
    """The Attempter that abstains from every question, so that retrieval answers all of them.

    No question is answered directly, whatever the profile, and no precision can be certified; the targets of
    the profiles bind what is read as far as the reader's calibration reaches.
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
        """A point that lets nothing through directly. Raises NoModelError for an unknown profile."""
        name = profile or PROFILES[0]
        target = TARGETS.get(name) if min_precision is None else min_precision
        if target is None:
            raise NoModelError(f"There is no profile {name!r}. There are: {', '.join(TARGETS)}.")
        return OperatingPoint(
            name=name if min_precision is None else f"precision-{min_precision:.2f}",
            threshold=NEVER,
            target_precision=target,
            certified=False,
            n=0,
            coverage=0.0,
            delta=1.0,
        )
