"""Embedding the service in a program that speaks LangChain: a Runnable, and a chat model.

desk = Desk(settings, Backend(attempter, chain, settings))
answer = QuestionAnswerer(desk).invoke("岳云的父亲是?")       # an Answer: route, citations, confidence
message = ZhizhiChat(desk=desk).invoke("岳云的父亲是?")       # an AIMessage, for chains that want one
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import ConfigDict

from service.answer import Answer
from service.desk import Desk
from service.dialogue import last_question
from service.native import pieces
from service.requests import QaOptions, QaRequest


class QuestionAnswerer(Runnable[str | dict[str, Any], Answer]):
    """A question, or a mapping with the fields of ``POST /v1/qa``, to an Answer."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def invoke(
        self, input: str | dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Answer:
        return asyncio.run(self.ainvoke(input, config, **kwargs))

    async def ainvoke(
        self, input: str | dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Answer:
        fields = {"question": input} if isinstance(input, str) else input
        asked = QaRequest.model_validate({**fields, **kwargs})
        return (await self.desk.answer(self.desk.prepare(asked))).answer


class ZhizhiChat(BaseChatModel):
    """The last human message is answered. ``response_metadata`` holds the route, the reason, the
    confidence and the citations."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    desk: Desk
    options: QaOptions = QaOptions()

    @property
    def _llm_type(self) -> str:
        return "zhizhi"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.desk.backend.model, "index": self.desk.backend.index}

    async def _answer(self, messages: list[BaseMessage]) -> Answer:
        questions = [str(message.text) for message in messages if isinstance(message, HumanMessage)]
        if not questions:
            raise ValueError("There is no human message to answer.")
        fields = self.options.model_dump(exclude_none=True)
        asked = QaRequest(question=last_question(questions), **fields)
        return (await self.desk.answer(self.desk.prepare(asked))).answer

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return asyncio.run(self._agenerate(messages))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = await self._answer(messages)
        message = AIMessage(content=answer.answer, response_metadata=metadata(answer))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from chunks(asyncio.run(self._answer(messages)))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in chunks(await self._answer(messages)):
            yield chunk


def chunks(answer: Answer) -> Iterator[ChatGenerationChunk]:
    """An answer that stands, in pieces; the last one carries what is known about it."""
    for piece in pieces(answer.answer):
        yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
    last = AIMessageChunk(content="", response_metadata=metadata(answer))
    yield ChatGenerationChunk(message=last)


def metadata(answer: Answer) -> dict[str, Any]:
    kept = {
        "route",
        "reason",
        "abstention",
        "confidence",
        "citations",
        "closest",
        "gap",
        "as_of",
        "index",
        "provider",
    }
    return {"model_name": answer.model, **answer.model_dump(mode="json", include=kept)}
