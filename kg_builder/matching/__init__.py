"""The one notion of a correct answer.

    matches("岳云的父亲是岳飞。", gold_of("岳飞")).verdict == "right"

`matches` says right, wrong or ambiguous, and why; the decisions it takes are in README.md beside it.
"""

from kg_builder.matching import compiled

# Before any of them is imported: where they are compiled, they are found there first.
IS_COMPILED = compiled.use(__path__)

from kg_builder.matching.golds import gold_of  # noqa: E402
from kg_builder.matching.report import (  # noqa: E402
    Agreement,
    MatchError,
    MatchReport,
    agree,
    score_file,
)
from kg_builder.matching.surroundings import Names  # noqa: E402
from kg_builder.matching.verdict import REASONS, Match, Verdict, matches  # noqa: E402

__all__ = [
    "IS_COMPILED",
    "REASONS",
    "Agreement",
    "Match",
    "MatchError",
    "MatchReport",
    "Names",
    "Verdict",
    "agree",
    "gold_of",
    "matches",
    "score_file",
]
