"""Verdict: what became of one question. Five outcomes that are never merged."""

from __future__ import annotations

from typing import Literal, get_args

from kg_builder.question import Question
from training.label import verdict

# correct    an answer that names the gold
# wrong      an answer that does not
# ambiguous  an answer that can be read either way (a coarser date, a hedge, a near number). Figures
#            count it as wrong, so that no floor is reached by the benefit of the doubt; tables show
#            how many there are
# refused    the system said that it does not know
# unscored   there is no verdict: the system failed, or no judge could tell. It is in n, never in
#            precision, and is neither an answer nor a refusal (a failed grade counted as a refusal
#            makes a broken system look careful)
Verdict = Literal["correct", "wrong", "ambiguous", "refused", "unscored"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_OF_MATCH: dict[str, Verdict] = {
    "right": "correct",
    "wrong": "wrong",
    "ambiguous": "ambiguous",
    "refused": "refused",
}


def judge(question: Question, text: str | None) -> Verdict:
    """The verdict on what a system said; ``None`` where it failed to say anything.

    A text that opens with a refusal is one, whatever follows; a blank text is a wrong answer.
    """
    if text is None:
        return "unscored"
    return _OF_MATCH[verdict(question, text)]
