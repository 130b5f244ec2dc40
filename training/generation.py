"""Generation, Sampling and Model: the one protocol by which every language model is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypedDict, runtime_checkable

from pydantic import BaseModel, ConfigDict


class Message(TypedDict):
    """One turn of a conversation, as chat templates take it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(BaseModel):
    """How to decode. ``temperature`` 0 is greedy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_new_tokens: int = 48
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    # Decode the best answer even where the model prefers to refuse, so that a confidence can be
    # computed for it: the first token of the refusal prefix is masked at the first position.
    suppress_refusal: bool = False
    # End a completion ("aborted") as soon as it is a refusal: the rest of the sentence is known beforehand.
    # Engines that cannot tell finish the sentence.
    stop_at_refusal: bool = False


class Generation(BaseModel):
    """One completion with what the model said about its own certainty.

    Logarithms are natural. The per-token tuples have one entry per generated token, the end token
    included when it was generated; engines that cannot tell leave them empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    token_logprobs: tuple[float, ...] = ()
    token_entropies: tuple[float, ...] = ()
    token_margins: tuple[float, ...] = ()  # P(best) − P(second best)
    refusal_probability: float | None = None  # P(refusal prefix | prompt)
    finish_reason: Literal["stop", "length", "aborted"] = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


@runtime_checkable
class Model(Protocol):
    """Batch in, batch out. ``generate`` keeps the order of ``conversations``."""

    name: str

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Generation]: ...


@runtime_checkable
class TunedModel(Model, Protocol):
    """A model that may also be able to answer as it did before it was tuned (``base`` not None).

    ``drafts`` are guesses at what it will say, one per conversation, which change nothing but the time.
    """

    @property
    def base(self) -> Model | None: ...

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        drafts: Sequence[str] = (),
    ) -> list[Generation]: ...


@runtime_checkable
class TokenCounter(Protocol):
    """A model whose tokenizer is at hand."""

    def count_tokens(self, text: str) -> int: ...
