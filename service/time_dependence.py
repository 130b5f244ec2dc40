"""Does the answer to a question change with time? Then what a model once learnt is no answer."""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate

from kg_builder.question import Language
from service.language_pack import language_of, language_pack
from service.question_frame import LONGEST, frame

# What stands in quotation or title marks is a name: 《今天》.
QUOTED = re.compile(r"《[^《》]{0,100}》|“[^“”]{0,100}”|「[^「」]{0,100}」|\"[^\"]{0,100}\"")


def is_time_dependent(question: str) -> bool:
    """By its words (现任, latest) outside names, or by a relation whose values change (population)."""
    text = question[:LONGEST]
    language = language_of(text)
    if _has_word(QUOTED.sub(" ", text), language):
        return True
    found = frame(text, verbs=True)
    return found is not None and found.relation is not None and found.relation.values == "changing"


def _has_word(text: str, language: Language) -> bool:
    """Whether one of the language's time words stands there as a word: 明年 is not in 发明年份."""
    found = list(_pattern(language).finditer(text))
    if not found or language == "en":
        return bool(found)
    import rjieba

    borders = {0, *accumulate(map(len, rjieba.cut(text)))}
    return any(match.start() in borders for match in found)


@cache
def _pattern(language: Language) -> re.Pattern[str]:
    words = "|".join(map(re.escape, language_pack(language).time_words))
    return re.compile(words if language == "zh" else rf"\b(?:{words})\b", re.IGNORECASE)
