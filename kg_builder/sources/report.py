"""ReadReport: what a reader met on its way.

SourceError            a source is missing, empty, or not in the format it was said to be
└── TooManyBadRows     more rows are malformed than the caller allows
"""

from __future__ import annotations

from typing import Any

from kg_builder.errors import UserError
from kg_builder.tally import Tally

# Up to this many rows a broken share says little: a table of ten rows with one typo is no ruin.
GRACE_ROWS = 20


class SourceError(UserError):
    """A source is missing, empty, or not in the format it was said to be."""


class TooManyBadRows(SourceError):  # noqa: N818 - reads as what happened
    """More rows are malformed than the caller allows."""


class ReadReport:
    """Counts of one source: rows read, malformed rows by reason with samples, remarks."""

    def __init__(self, name: str, max_bad_share: float = 0.05) -> None:
        self.name = name
        self.max_bad_share = max_bad_share
        self.rows = 0
        self.bad = Tally()
        self.notes = Tally()

    def malformed(self, reason: str, sample: str = "", count: int = 1) -> None:
        """Count a row that cannot be read. It must have been counted in ``rows`` as well."""
        self.bad.add(reason, sample, count)

    def check(self, *, final: bool = False) -> None:
        """Raise TooManyBadRows where the malformed share is beyond what is allowed."""
        if not self.bad.total or (self.rows < GRACE_ROWS and not final):
            return
        allowed = max(self.rows * self.max_bad_share, 1 if self.rows < GRACE_ROWS else 0)
        if self.bad.total > allowed:
            worst = self.bad.as_dict()
            lines = [
                f"  {reason} ({entry['count']}×), e.g. {'; '.join(entry['samples'][:2])}"
                for reason, entry in worst.items()
            ]
            raise TooManyBadRows(
                f"{self.name}: {self.bad.total} of {self.rows} rows are malformed, more than the "
                f"{self.max_bad_share:.0%} allowed (max_bad_share). Is the format right?\n"
                + "\n".join(lines)
            )

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "rows": self.rows,
            "malformed": self.bad.as_dict(),
            "notes": self.notes.as_dict(),
        }
