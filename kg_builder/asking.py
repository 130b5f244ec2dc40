"""QuestionSettings: which facts become questions, and why the others do not."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.splits import Shares

CHANGING = "changes over time"
NO_SUBJECT_NAME = "the subject has no name in the language"
NO_OBJECT_NAME = "no object has a name in the language"
NO_RELATION_NAME = "the relation has no name in the language"
SEVERAL_VALUES = "values of a single-valued relation contradict each other"
AMBIGUOUS = "the name of the subject stands for several things"
GIVEN_AWAY = "the answer is in the question"
HELD_OUT = "held-out relation outside the test split"
SAME_ANSWER = "the same answer too often to the same relation: guessed, not known"
SAME_RELATION = "the same relation too often"
OVER_LIMIT = "more questions than were asked for"


class QuestionSettings(BaseModel):
    """Which facts become questions, and how they are split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    include_changing: bool = False  # ask what changes over time (presidents, populations)
    shares: Shares = Shares()
    held_out_share: float = Field(
        default=0.0, ge=0, le=1
    )  # relations that occur in the test split only
    # Parts of all questions that one answer to one relation, and one relation, may be; and the part
    # of its relation's questions that one answer may be (bulk/caps.py).
    max_pair_share: float = Field(default=0.03, gt=0, le=1)
    max_relation_share: float = Field(default=0.25, gt=0, le=1)
    max_answer_share: float = Field(default=0.4, gt=0, le=1)
