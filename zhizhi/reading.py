"""A model of this process that reads evidence: a ChatModel made of a Model of the training package."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from retrieval.chat_model import without_system
from retrieval.errors import ReadingError
from training.generation import Message as Turn
from training.generation import Sampling

if TYPE_CHECKING:
    from retrieval.chat_model import Message
    from training.generation import Model


MARK = "<instruction of the system>"


def knows_system_role(model: Model) -> bool:
    """Whether the model's chat template shows what a system turn says; some fail, some leave it out."""
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        return True
    turns = [{"role": "system", "content": MARK}, {"role": "user", "content": "?"}]
    try:
        return MARK in str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # of the template's own, by raise_exception
        return False


class LocalChat:
    """``model`` in a thread of its own, one question at a time: two passes at once gain nothing.

    A question that is given up while it waits is not asked; one that is being answered runs to its end.
    """

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self._model = model
        self._one = threading.Lock()
        self._takes_system = knows_system_role(model)

    async def reply(self, messages: Sequence[Message], *, max_tokens: int) -> str:
        """The reply, cut after ``max_tokens``; raises ReadingError where the model fails."""
        given_up = threading.Event()
        if not self._takes_system:
            messages = without_system(messages)
        conversation = [
            Turn(role="system" if role == "system" else "user", content=content)
            for role, content in messages
        ]

        def ask() -> str:
            with self._one:
                if given_up.is_set():
                    return ""
                [found] = self._model.generate([conversation], Sampling(max_new_tokens=max_tokens))
                return found.text

        try:
            return await asyncio.to_thread(ask)
        except asyncio.CancelledError:
            given_up.set()
            raise
        except Exception as error:
            raise ReadingError(f"The reading model {self.name!r} failed: {error}") from error
