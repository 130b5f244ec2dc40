"""QaRequest and Example: a question as clients put it, and questions offered to them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kg_builder.question import Language
from service.seams import Fallback, Profile, Sources

MAX_QUESTION = 2000
MAX_BEFORE = 32

# Everything that moves a cursor or rings a bell, but line ends and tabs; byte order marks.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
# A question has something to see in it.
VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f\ufeff\ufffe\uffff]"


def clean(text: str) -> str:
    """The question without control characters and outer white space."""
    return CONTROL.sub(" ", text).strip()


def whole(value: object) -> object:
    """JSON knows one kind of number: 900.0 is as whole as 900."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


QuestionText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_QUESTION,
        pattern=VISIBLE,
        description="The question, in Chinese or English.",
        examples=["岳云的父亲是?"],
    ),
    AfterValidator(clean),
]


class QaOptions(BaseModel):
    """What a request may choose; what it leaves open is the server's setting."""

    model_config = ConfigDict(extra="forbid", strict=True)

    language: Language | None = Field(
        default=None, description="Language of refusals; that of the question where absent."
    )
    fallback: Fallback | None = Field(
        default=None,
        description="`auto`: retrieve what the model does not know; `never`: refuse it; "
        "`always`: retrieve without asking the model.",
    )
    sources: Sources | None = Field(default=None, description="Where to retrieve.")
    profile: Profile | None = Field(default=None, description="A named operating point.")
    min_precision: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="The precision that direct answers must be certified for; goes before "
        "`profile`. See `GET /v1/operating-points` for what can be certified.",
    )
    deadline_ms: Annotated[int | None, BeforeValidator(whole)] = Field(
        default=None,
        ge=50,
        le=600_000,
        description="After so many milliseconds the answer is a refusal.",
    )
    store: bool | None = Field(
        default=None,
        description="`false`: the question is not kept in the question log.",
    )


class QaRequest(QaOptions):
    """One question with its options."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"question": "岳云的父亲是?"},
                {"question": "Who wrote Hamlet?", "profile": "strict", "fallback": "never"},
                {"question": "法国的首都是哪里?", "min_precision": 0.9, "sources": "index"},
            ]
        }
    )

    question: QuestionText
    before: list[QuestionText] = Field(
        default=[],
        max_length=MAX_BEFORE,
        description="What was asked before it, oldest first: a follow-up (「那英国呢?」) takes from there "
        "what it leaves out.",
    )


class Example(BaseModel):
    """A question that the page offers. ``kind`` says what to expect of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    language: Language
    kind: Literal["known", "unknown", "unanswerable"] | None = None
