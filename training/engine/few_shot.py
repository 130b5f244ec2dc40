"""FewShot: how a base model that never learnt to chat is asked: by examples that it continues."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

QUESTION = "{question}"
# How a token that begins with a line break is written by byte-level and by SentencePiece vocabularies.
LINE_BREAKS = ("\n", "Ċ", "<0x0A>")
BETWEEN = "\n\n"


class FewShot(BaseModel):
    """``form`` frames one question up to where its answer begins; ``examples`` are questions with their
    answers, told before it in the same form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: str = "Question: {question}\nAnswer:"
    before_answer: str = " "
    examples: tuple[tuple[str, str], ...] = Field(min_length=1)

    @field_validator("form")
    @classmethod
    def _asks(cls, form: str) -> str:
        if form.count(QUESTION) != 1:
            raise ValueError(f"the form must hold {QUESTION} once")
        return form

    @property
    def chat_template(self) -> str:
        """The same as a Jinja template: whatever speaks to chat models can use it."""
        before, after = self.form.split(QUESTION)
        told = "".join(
            f"{before}{question}{after}{self.before_answer}{answer}{BETWEEN}"
            for question, answer in self.examples
        )
        return (
            f"{{{{ bos_token }}}}{_text(told)}{{% for message in messages %}}"
            f"{{% if message['role'] == 'assistant' %}}"
            f"{_text(self.before_answer)}{{{{ message['content'] }}}}{_text(BETWEEN)}"
            f"{{% else %}}{_text(before)}{{{{ message['content'] }}}}{_text(after)}{{% endif %}}"
            f"{{% endfor %}}"
        )


def line_break_ids(tokenizer: Any) -> set[int]:
    """The tokens that begin with a line break: where an answer ends that nothing else ends."""
    return {i for token, i in tokenizer.get_vocab().items() if token.startswith(LINE_BREAKS)}


def _text(literal: str) -> str:
    """As a Jinja expression that yields ``literal``."""
    return f"{{{{ {json.dumps(literal)} }}}}" if literal else ""
