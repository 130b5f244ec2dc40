"""Wire: what an OpenAI-compatible server's answers say, read into our own terms."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

import httpx

from training.errors import ModelError
from training.generation import Generation, Message


class Step(NamedTuple):
    """One generated token: its bytes, its log-probability, and the likeliest tokens at its place."""

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...]


def seed_of(seed: int, conversation: Sequence[Message]) -> int:
    """One random stream per question: the same whatever else the server is asked meanwhile."""
    text = json.dumps([seed, list(conversation)], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


# Servers round: a certain token may have a log-probability a little above 0.
ROUNDING = 1e-3


def steps_of(answer: dict[str, Any]) -> list[Step]:
    """The tokens of an answer. Raises ModelError where a log-probability is none: a confidence made of it
    would mean nothing."""
    told = (answer["choices"][0].get("logprobs") or {}).get("content") or []
    return [
        Step(
            _bytes(one),
            _logprob(one),
            tuple(
                sorted(
                    # A token that cannot come (−∞) is not among the likeliest.
                    (
                        (_bytes(t), _logprob(t))
                        for t in one.get("top_logprobs") or ()
                        if t["logprob"] != -math.inf
                    ),
                    key=lambda entry: -entry[1],
                )
            ),
        )
        for one in told
    ]


def _bytes(entry: dict[str, Any]) -> bytes:
    """A token's bytes: as numbers where the server gives them (a token may be half a character)."""
    given = entry.get("bytes")
    return bytes(given) if given is not None else str(entry.get("token", "")).encode()


def _logprob(entry: dict[str, Any]) -> float:
    value = float(entry["logprob"])
    if not math.isfinite(value) or value > ROUNDING:
        raise ModelError(
            f"The model server gives {value} as the log-probability of {entry.get('token')!r}, which is "
            "no logarithm of a probability. Check its precision (float16 overflows) and its version."
        )
    return min(0.0, value)


def is_text(token: bytes) -> bool:
    try:
        token.decode()
    except UnicodeDecodeError:
        return False
    return True


def generation_of(
    answer: dict[str, Any], steps: Sequence[Step], refusal_probability: float | None
) -> Generation:
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    listed = all(step.top for step in steps)
    return Generation(
        text=(choice["message"].get("content") or "").strip(),
        token_logprobs=tuple(step.logprob for step in steps),
        token_entropies=tuple(map(_entropy, steps)) if listed else (),
        token_margins=tuple(map(_margin, steps)) if listed else (),
        refusal_probability=refusal_probability,
        finish_reason=_finish(choice.get("finish_reason")),
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
    )


def _finish(reason: str | None) -> Literal["stop", "length", "aborted"]:
    if reason == "length":
        return "length"
    return "stop" if reason in (None, "stop", "eos") else "aborted"


def _entropy(step: Step) -> float:
    """Entropy of the listed tokens in nats, all others taken as one: a lower bound of the true one."""
    p = [math.exp(logprob) for _, logprob in step.top]
    parts = [*p, max(0.0, 1 - sum(p))]
    return -sum(x * math.log(x) for x in parts if x > 0)


def _margin(step: Step) -> float:
    p = [math.exp(logprob) for _, logprob in step.top[:2]]
    return p[0] - p[1] if len(p) == 2 else p[0]


def fault_of(response: httpx.Response) -> str:
    """What the server says is wrong, in at most 300 characters."""
    try:
        value = response.json()
        error = value.get("error", value) if isinstance(value, dict) else value
        text = error.get("message", "") if isinstance(error, dict) else str(error)
    except ValueError:
        text = response.text
    return " ".join(str(text).split())[:300] or response.reason_phrase


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number or a date (RFC 9110)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
