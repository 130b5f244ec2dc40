"""RemoteModel: a model behind an OpenAI-compatible server (vLLM, SGLang, llama.cpp …), as a Model.

Requests go out side by side, at most ``concurrency`` at a time, with time-outs; what a busy or restarting
server refuses is tried again with growing pauses. Token log-probabilities come with the answer. What lies
beside the answer's own path (the probability of a refusal that was not given, an answer in place of the
refusal) is asked for by continuing a begun answer, which vLLM and SGLang can do (``continues``).
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field

from training.engine.wire import (
    Step,
    fault_of,
    generation_of,
    is_text,
    retry_after,
    seed_of,
    steps_of,
)
from training.errors import ModelError
from training.generation import Generation, Message, Sampling

# Answered with these, a server may well succeed a moment later.
PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
LONGEST_PAUSE = 60.0
# A way to the refusal less likely than this is not followed further: its bound is taken.
WORTH_FOLLOWING = 1e-6


class RemoteSettings(BaseModel):
    """Where the server is and how it is asked."""

    model_config = ConfigDict(extra="forbid")

    base_url: str  # up to and with /v1
    model: str
    api_key_variable: str = "OPENAI_API_KEY"  # the environment variable that holds the key, if any
    concurrency: int = Field(32, ge=1)
    timeout: float = Field(120.0, gt=0)  # seconds for one answer
    connect_timeout: float = Field(10.0, gt=0)
    tries: int = Field(6, ge=1)
    first_pause: float = Field(0.5, ge=0)  # seconds before the second try; doubled each time
    top_logprobs: int = Field(20, ge=0, le=20)  # 0: the server gives no log-probabilities
    continues: bool = True  # it continues a begun answer (continue_final_message)
    # Sent with every request, such as {"chat_template_kwargs": {"enable_thinking": false}}.
    extra: dict[str, Any] = {}


class RemoteModel:
    """See the module. ``refusal_prefix`` is as for LocalModel; ``transport`` and ``sleep`` are seams.

    ``base`` is the model as it was before tuning, where the server has that too (vLLM serves a model and
    its adapters under names of their own). ``key`` goes before the environment's.
    """

    def __init__(
        self,
        settings: RemoteSettings,
        *,
        name: str | None = None,
        refusal_prefix: str | Sequence[str] = "",
        base: RemoteModel | None = None,
        key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.name = name or f"{settings.model}@{urlsplit(settings.base_url).netloc}"
        prefixes = [refusal_prefix] if isinstance(refusal_prefix, str) else refusal_prefix
        self.prefixes = [prefix.encode() for prefix in prefixes if prefix]
        self._sleep = sleep
        self.base = base
        key = key or os.environ.get(settings.api_key_variable, "")
        self._client = httpx.Client(
            base_url=settings.base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(settings.timeout, connect=settings.connect_timeout, pool=None),
            limits=httpx.Limits(max_connections=settings.concurrency),
            transport=transport,
        )

    def close(self) -> None:
        self._client.close()
        if self.base is not None:
            self.base.close()

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        drafts: Sequence[str] = (),
    ) -> list[Generation]:
        """One generation per conversation, in order. Raises ModelError when the server will not answer.

        The server has no use for ``drafts``, and finishes a refusal that it has begun.
        """
        if sampling.suppress_refusal and self.prefixes:
            self._needs("answering in place of a refusal")
        if not conversations:
            return []
        workers = min(self.settings.concurrency, len(conversations))
        with ThreadPoolExecutor(workers, "remote") as pool:
            futures = [pool.submit(self._one, c, sampling) for c in conversations]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def probability(
        self, conversations: Sequence[Sequence[Message]], options: Sequence[str]
    ) -> list[list[float]]:
        """P(option | prompt) of each option as the beginning of the answer, per conversation."""

        def one(conversation: Sequence[Message]) -> list[float]:
            steps = steps_of(self._ask(conversation, Sampling(max_new_tokens=1)))
            return [
                self._prefix_probability(conversation, option.encode(), steps) for option in options
            ]

        with ThreadPoolExecutor(self.settings.concurrency, "remote") as pool:
            return list(pool.map(one, conversations))

    # ---- one answer --------------------------------------------------------------------------------

    def _one(self, conversation: Sequence[Message], sampling: Sampling) -> Generation:
        if sampling.suppress_refusal and self.prefixes:
            return self._unrefused(conversation, sampling)
        answer = self._ask(conversation, sampling)
        steps = steps_of(answer)
        return generation_of(answer, steps, self._refusal_probability(conversation, steps))

    def _refusal_probability(
        self, conversation: Sequence[Message], steps: Sequence[Step]
    ) -> float | None:
        if not self.prefixes or not steps or not steps[0].top:
            return None
        total = sum(self._prefix_probability(conversation, p, steps) for p in self.prefixes)
        return min(1.0, total)

    def _prefix_probability(
        self,
        conversation: Sequence[Message],
        wanted: bytes,
        steps: Sequence[Step],
        said: bytes = b"",
        reached: float = 1.0,
    ) -> float:
        """P(the answer goes on with ``wanted`` | prompt and ``said``).

        ``steps`` are what is known of the answer from here on. Every listed token that begins ``wanted``
        is followed: along the answer itself, or by asking the server to go on from there. Where neither is
        possible the probability of getting that far stands for the whole, an upper bound; where no listed
        token begins ``wanted``, the least listed probability or what is left beside the listed ones.
        """
        if not steps or not steps[0].top:
            return 1.0
        total, matched = 0.0, False
        for token, logprob in steps[0].top:
            if not token:
                continue
            p = math.exp(logprob)
            if token.startswith(wanted):
                total, matched = total + p, True
            elif wanted.startswith(token):
                matched = True
                so_far = said + token
                following = steps[1:] if token == steps[0].token else ()
                if not following and p * reached >= WORTH_FOLLOWING:
                    following = self._following(conversation, so_far)
                total += p * self._prefix_probability(
                    conversation, wanted[len(token) :], following, so_far, p * reached
                )
        if matched:
            return total
        listed = [math.exp(logprob) for _, logprob in steps[0].top]
        return max(0.0, min(*listed, 1 - sum(listed))) if listed else 1.0

    def _following(self, conversation: Sequence[Message], said: bytes) -> Sequence[Step]:
        """The next token after a begun answer, or nothing where the server cannot tell."""
        try:
            begun = said.decode()
        except UnicodeDecodeError:  # half a character cannot be sent
            return ()
        if not self.settings.continues:
            return ()
        return steps_of(self._ask(conversation, Sampling(max_new_tokens=1), begun))

    def _unrefused(self, conversation: Sequence[Message], sampling: Sampling) -> Generation:
        """The best answer that does not begin as a refusal does: the likeliest other first token, and what
        the model makes of it. Its log-probability is conditional on its not being a refusal."""
        first = self._ask(conversation, Sampling(max_new_tokens=1))
        steps = steps_of(first)
        refusal = self._refusal_probability(conversation, steps)
        top = steps[0].top if steps else ()
        banned = [
            (token, logprob)
            for token, logprob in top
            if token and any(p.startswith(token) or token.startswith(p) for p in self.prefixes)
        ]
        if not top:
            raise ModelError(
                f"{self.name} gives no log-probabilities, without which no answer can be had in place of "
                "a refusal. Start the server with log-probabilities, or use another engine."
            )
        left = [entry for entry in top if entry not in banned and entry[0] and is_text(entry[0])]
        mass = max(1e-12, 1 - sum(math.exp(logprob) for _, logprob in banned))
        if not left:
            raise ModelError(
                f"{self.name}: every one of its {len(top)} likeliest first tokens begins a refusal. "
                "Raise top_logprobs."
            )
        token, logprob = left[0]
        if sampling.max_new_tokens == 1:
            answer, rest = first, []
        else:
            shorter = sampling.model_copy(update={"max_new_tokens": sampling.max_new_tokens - 1})
            answer = self._ask(conversation, shorter, token.decode())
            rest = steps_of(answer)
        probable = [(t, v - math.log(mass)) for t, v in top if (t, v) not in banned]
        begun = Step(token, logprob - math.log(mass), tuple(probable))
        generation = generation_of(answer, [begun, *rest], refusal)
        said = generation.text if sampling.max_new_tokens > 1 else ""
        return generation.model_copy(
            update={
                "text": (token.decode() + said).strip(),
                "completion_tokens": generation.completion_tokens + (sampling.max_new_tokens > 1),
            }
        )

    def _needs(self, what: str) -> None:
        if not self.settings.continues:
            raise ModelError(
                f"{self.name}: {what} needs a server that continues a begun answer "
                "(continue_final_message, as vLLM and SGLang do); set continues = true if it can."
            )

    # ---- one request -------------------------------------------------------------------------------

    def _ask(
        self, conversation: Sequence[Message], sampling: Sampling, begun: str = ""
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.settings.model,
            "messages": list(conversation),
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed_of(sampling.seed, conversation),
            **self.settings.extra,
        }
        if self.settings.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": self.settings.top_logprobs}
        if begun:
            body["messages"] = [*conversation, {"role": "assistant", "content": begun}]
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return self._post("chat/completions", body)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers with; passing failures are tried again."""
        fault, pause = "", 0.0
        for number in range(self.settings.tries):
            if number:
                self._sleep(pause)
            wished = None
            try:
                response = self._client.post(path, json=body)
            except httpx.TransportError as error:
                fault = f"{type(error).__name__} {error}".strip()
            else:
                if response.is_success:
                    return self._read(response)
                fault = f"status {response.status_code}: {fault_of(response)}"
                if response.status_code not in PASSING:
                    raise ModelError(f"{self._client.base_url}{path} refuses: {fault}")
                wished = retry_after(response.headers.get("retry-after"))
            pause = self._pause(number) if wished is None else min(wished, LONGEST_PAUSE)
        raise ModelError(
            f"{self._client.base_url}{path} did not answer in {self.settings.tries} tries; the last "
            f"failed with {fault}. Check that the server is up, or raise timeout and tries."
        )

    def _pause(self, number: int) -> float:
        """Exponential back-off with full jitter, so that many clients do not come back at once."""
        longest: float = min(LONGEST_PAUSE, self.settings.first_pause * 2**number)
        return longest * (0.5 + 0.5 * random.random())

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        try:
            value = response.json()
            value["choices"][0]["message"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ModelError(
                f"{response.url} is no OpenAI-compatible endpoint: its answer has no "
                f"choices[0].message ({response.text[:200]!r}). Check base_url, which ends with /v1."
            ) from error
        assert isinstance(value, dict)
        return value
