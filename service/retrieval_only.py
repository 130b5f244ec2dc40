"""RetrievalOnly: stands where the model would, in a service that answers from documents alone."""

from __future__ import annotations

from collections.abc import Sequence

from kg_builder.errors import UserError
from training.attempt import Attempt, OperatingPoint
from training.generation import Generation

UNCERTIFIED = (
    "Without a model no precision can be certified: every answer is read from documents. "
    "Leave out min_precision, or serve a run."
)
# The precision that a profile asks of what is read, where no bundle says it.
TARGETS: dict[str, float] = {"webqa": 0.90, "chat": 0.80, "strict": 0.97}
UNASKED = "reader"  # the point where no precision is asked for
NEVER = 1.1  # a threshold above every confidence


class NoModelError(UserError):
    """Something was asked for that only a model can give."""


class RetrievalOnly:
    """The Attempter that abstains from every question, so that retrieval answers all of them.

    No question is answered directly, whatever the profile, and no precision can be certified; the target of a
    profile that is asked for binds what is read as far as the reader's calibration reaches. Where nothing is
    asked for, the reader's own threshold decides.
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
        if min_precision is not None:
            name, target = f"precision-{min_precision:.2f}", min_precision
        elif profile is None:
            name, target = UNASKED, None
        elif profile in TARGETS:
            name, target = profile, TARGETS[profile]
        else:
            raise NoModelError(f"There is no profile {profile!r}. There are: {', '.join(TARGETS)}.")
        return OperatingPoint(
            name=name,
            threshold=NEVER,
            target_precision=target,
            certified=False,
            n=0,
            coverage=0.0,
            delta=1.0,
        )
