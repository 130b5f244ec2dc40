"""Arms at an address: a running service of ours, or any OpenAI-compatible chat endpoint.

What cannot be answered is tried again while the server says that it is busy, and is unscored after that:
an outage is neither a refusal nor a wrong answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.errors import EvalError
from eval.record import Reply
from kg_builder.question import Question
from service.answer import Answer
from service.seams import Fallback, Sources
from training.attempt import OperatingPoint
from training.language_pack import is_refusal
from training.probe import ask

BUSY = (429, 502, 503, 504)
LONGEST_WAIT = 30.0  # seconds that a Retry-After is obeyed for


class EndpointSettings(BaseModel):
    """How an endpoint is asked."""

    model_config = ConfigDict(extra="forbid")

    url: str
    key: str | None = Field(None, repr=False)
    concurrency: int = Field(4, ge=1)
    timeout: float = Field(60.0, gt=0)  # seconds for one answer
    tries: int = Field(4, ge=1)


class Endpoint:
    """An HTTP server that answers questions. ``transport`` is for tests, ``sleep`` too."""

    def __init__(
        self,
        settings: EndpointSettings,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._sleep = sleep
        headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
        self._client = httpx.Client(
            base_url=settings.url.rstrip("/"),
            headers=headers,
            timeout=settings.timeout,
            transport=transport,
        )

    def get(self, path: str) -> httpx.Response:
        """Raises EvalError where nobody answers at this address."""
        try:
            return self._client.get(path)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EvalError(
                f"Nothing answers at {self.settings.url} ({error}). Is the service running? "
                "Start it with zhizhi serve, or check the address."
            ) from error

    def post(self, path: str, body: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
        """The JSON that came back, or None with what went wrong.

        Raises EvalError where every other question would fail the same way (401, 403, 404).
        """
        error = "no answer"
        for attempt in range(self.settings.tries):
            wait = min(LONGEST_WAIT, 0.5 * 2**attempt)
            try:
                response = self._client.post(path, json=body)
            except httpx.HTTPError as fault:
                error = f"{type(fault).__name__}: {fault}"
            else:
                if response.is_success:
                    return _json(response)
                error = f"{response.status_code} {_detail(response)}"
                if response.status_code in (401, 403, 404):
                    raise EvalError(
                        f"{response.request.url} answers {error}. Check the address and the key."
                    )
                if response.status_code not in BUSY:
                    return None, error
                wait = _retry_after(response, wait)
            if attempt + 1 < self.settings.tries:
                self._sleep(wait)
        return None, error

    def map(
        self, function: Callable[[Question], Reply], questions: Sequence[Question]
    ) -> list[Reply]:
        """Several questions under way at once; the order is kept."""
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            return list(pool.map(function, questions))


def _json(response: httpx.Response) -> tuple[dict[str, Any] | None, str | None]:
    try:
        value = response.json()
    except ValueError:
        return None, f"no JSON: {response.text[:100]!r}"
    return (value, None) if isinstance(value, dict) else (None, "no JSON object")


def _detail(response: httpx.Response) -> str:
    value, _ = _json(response)
    if value is None:
        return response.reason_phrase
    inner = value.get("error")
    if isinstance(inner, dict):
        return str(inner.get("message", response.reason_phrase))
    return str(value.get("detail") or value.get("title") or response.reason_phrase)


def _retry_after(response: httpx.Response, default: float) -> float:
    try:
        return min(LONGEST_WAIT, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return default


class ServiceArm:
    """POST /v1/qa of a running service of ours."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        fallback: Fallback,
        profile: str | None = None,
        min_precision: float | None = None,
        sources: Sources | None = None,
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        options = {
            "fallback": fallback,
            "profile": profile,
            "min_precision": min_precision,
            "sources": sources,
        }
        self._options = {key: value for key, value in options.items() if value is not None}

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        return self._endpoint.map(self.reply_alone, questions)

    def reply_alone(self, question: Question) -> Reply:
        body = {"question": question.text, "language": question.language, **self._options}
        value, error = self._endpoint.post("/v1/qa", body)
        if value is None:
            return Reply(text=None, error=error)
        try:
            answer = Answer.model_validate(value)
        except ValidationError as fault:
            return Reply(text=None, error=f"not an answer of this version: {fault.errors()[0]}")
        return Reply.of_answer(answer, lm_calls=1 if "direct" in answer.timings_ms else 0)


class ChatArm:
    """POST /chat/completions of an OpenAI-compatible server, under one prompt wording.

    With ``logprobs`` the confidence is the probability of the answer's tokens.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        model: str,
        *,
        prompt: int,
        max_new_tokens: int,
        logprobs: bool = False,
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        self._prompt = prompt
        self._body: dict[str, Any] = {
            "model": model,
            "temperature": 0,
            "max_tokens": max_new_tokens,
        } | ({"logprobs": True} if logprobs else {})

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        return self._endpoint.map(self.reply_alone, questions)

    def reply_alone(self, question: Question) -> Reply:
        body = {"messages": ask(question, self._prompt), **self._body}
        value, error = self._endpoint.post("/chat/completions", body)
        if value is None:
            return Reply(text=None, error=error)
        try:
            choice = value["choices"][0]
            text = choice["message"]["content"] or ""
            usage = value.get("usage") or {}
            return Reply(
                text=text.strip(),
                route="refused" if is_refusal(text) else "direct",
                confidence=_probability(choice.get("logprobs")),
                lm_calls=1,
                prompt_tokens=usage.get("prompt_tokens") or 0,
                completion_tokens=usage.get("completion_tokens") or 0,
            )
        except (KeyError, IndexError, TypeError, AttributeError, ValidationError) as fault:
            return Reply(text=None, error=f"not a chat completion: {fault!r}")


def _probability(logprobs: dict[str, Any] | None) -> float | None:
    tokens = (logprobs or {}).get("content") or []
    return math.exp(sum(token["logprob"] for token in tokens)) if tokens else None


def service_point(endpoint: Endpoint, profile: str | None) -> OperatingPoint | None:
    """The operating point of a service of ours; None where the address is not one."""
    response = endpoint.get("/v1/operating-points")
    value, _ = _json(response) if response.is_success else (None, None)
    if value is None or "profiles" not in value:
        return None
    name = profile or value.get("default")
    if name not in value["profiles"]:
        known = ", ".join(value["profiles"])
        raise EvalError(f"The service has no profile {name!r}. It has: {known}.")
    return OperatingPoint.model_validate(value["profiles"][name])
