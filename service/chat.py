"""The nouns of the OpenAI-compatible routes: what they take, and what they give.

What is not here and a client sends all the same (temperature, seed, …) is taken and has no effect: the
bundle fixes how its model decodes, since its calibration holds for that alone.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.requests import QaOptions

MAX_MESSAGES = 256


class TextPart(BaseModel):
    """One part of a message. Only text can be read."""

    type: str = Field(json_schema_extra={"const": "text"})
    text: str | None = None


class ChatMessage(BaseModel):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """``POST /v1/chat/completions``. ``zhizhi`` holds the options of ``/v1/qa``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "zhizhi", "messages": [{"role": "user", "content": "岳云的父亲是?"}]}
            ]
        }
    )

    model: str = Field(max_length=200)
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    logprobs: bool | None = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    # The document says what is honoured; what is not is refused with a word on why, not by the schema.
    n: int | None = Field(default=1, json_schema_extra={"minimum": 1, "maximum": 1})
    tools: list[Any] | None = Field(default=None, json_schema_extra={"maxItems": 0})
    functions: list[Any] | None = Field(default=None, json_schema_extra={"maxItems": 0})
    response_format: dict[str, Any] | None = Field(
        default=None, json_schema_extra={"properties": {"type": {"const": "text"}}}
    )
    zhizhi: QaOptions | None = None


class UrlCitation(BaseModel):
    start_index: int
    end_index: int
    url: str
    title: str


class Annotation(BaseModel):
    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class ReplyMessage(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: str | None = None  # of a refusal the same words, for clients that look for them there
    annotations: list[Annotation] = []


class TokenLogprob(BaseModel):
    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[Any] = []


class Logprobs(BaseModel):
    content: list[TokenLogprob]
    refusal: None = None


class Choice(BaseModel):
    index: int = 0
    message: ReplyMessage
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop"] = "stop"


class Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Completion(BaseModel):
    """``zhizhi`` says what OpenAI's format has no word for: the route, the reason, the confidence."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    zhizhi: dict[str, Any]


class ModelCard(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "zhizhi"


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class ErrorBody(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorObject(BaseModel):
    """What OpenAI's clients expect of a failure."""

    error: ErrorBody
