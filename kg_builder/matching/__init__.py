"""The one notion of a correct answer.

    matches("岳云的父亲是岳飞。", gold_of("岳飞")).verdict == "right"

`matches` says right, wrong or ambiguous, and why; the decisions it takes are in README.md beside it.
"""

from kg_builder.matching.golds import gold_of
from kg_builder.matching.report import Agreement, MatchError, MatchReport, agree, score_file
from kg_builder.matching.verdict import REASONS, Match, Verdict, matches

__all__ = [
    "REASONS",
    "Agreement",
    "Match",
    "MatchError",
    "MatchReport",
    "Verdict",
    "agree",
    "gold_of",
    "matches",
    "score_file",
]
