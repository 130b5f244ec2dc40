"""ChatModel: a model that reads. Ours, one behind an OpenAI-compatible server, or LangChain's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import httpx

from retrieval.errors import ReadingError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Message = tuple[str, str]  # role (system, user) and content


class ChatModel(Protocol):
    """``reply`` raises ReadingError where the model cannot be used; cancelling it stops the request."""

    name: str

    async def reply(self, messages: Sequence[Message], *, max_tokens: int) -> str: ...


def without_system(messages: Sequence[Message]) -> list[Message]:
    """The same conversation with what the system says before the first words of the user."""
    system = [content for role, content in messages if role == "system"]
    rest = [(role, content) for role, content in messages if role != "system"]
    if not system or not rest:
        return list(messages)
    (role, content), *later = rest
    return [(role, "\n\n".join([*system, content])), *later]


# A chat template that knows no system role fails: vLLM answers 400 then, llama.cpp 500.
TEMPLATE_FAULTS = frozenset({400, 422, 500})


class OpenAIChat:
    """A model behind ``URL/chat/completions``: vLLM, SGLang, llama.cpp, or a hosted one.

    Where it refuses a conversation with a system turn, the instruction goes into the user's turn, then and
    from then on.
    """

    def __init__(
        self, url: str, model: str, *, key: str | None = None, seconds: float = 30.0
    ) -> None:
        self.url, self.name, self.seconds = url.rstrip("/"), model, seconds
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._takes_system = True

    async def reply(self, messages: Sequence[Message], *, max_tokens: int) -> str:
        if not self._takes_system:
            return await self._reply(without_system(messages), max_tokens)
        try:
            return await self._reply(messages, max_tokens)
        except ReadingError as error:
            folded = without_system(messages)
            cause = error.__cause__
            refused = (
                isinstance(cause, httpx.HTTPStatusError)
                and cause.response.status_code in TEMPLATE_FAULTS
            )
            if not refused or folded == list(messages):
                raise
            said = await self._reply(
                folded, max_tokens
            )  # where this fails, the turn was not to blame
            self._takes_system = False
            return said

    async def _reply(self, messages: Sequence[Message], max_tokens: int) -> str:
        body = {
            "model": self.name,
            "messages": [{"role": role, "content": content} for role, content in messages],
            "temperature": 0,
            "seed": 0,
            "max_tokens": max_tokens,
        }
        try:
            # A client of its own: questions may come from several event loops.
            async with httpx.AsyncClient(timeout=self.seconds) as client:
                response = await client.post(
                    f"{self.url}/chat/completions", json=body, headers=self._headers
                )
            response.raise_for_status()
            content = response.json()["choices"][0]["message"]["content"]
        except httpx.HTTPStatusError as error:
            said = " ".join(error.response.text[:300].split())
            told = f"{self.name}: status {error.response.status_code}, {said}"
            raise ReadingError(told) from error
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise ReadingError(f"{self.name}: {type(error).__name__}") from error
        if not isinstance(content, str):
            raise ReadingError(f"{self.name}: a reply without text")
        return content


class LangChainChat:
    """Any chat model of LangChain."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model
        self.name = model.get_name()

    async def reply(self, messages: Sequence[Message], *, max_tokens: int) -> str:
        try:
            return str((await self.model.ainvoke(list(messages))).text)
        except Exception as error:  # every provider has a family of its own
            raise ReadingError(f"{self.name}: {type(error).__name__}") from error
