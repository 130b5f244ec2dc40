"""The one notion of a correct answer.

    matches("岳云的父亲是岳飞。", gold_of("岳飞")).verdict == "right"
"""

from kg_builder.matching.verdict import Match, Verdict, gold_of, matches

__all__ = ["Match", "Verdict", "gold_of", "matches"]
