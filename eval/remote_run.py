"""Evaluate systems by their addresses: a service of ours, a chat endpoint as its baseline, or both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict

from eval.arms import Arm
from eval.errors import EvalError
from eval.remote import ChatArm, Endpoint, EndpointSettings, ServiceArm, service_point
from eval.result import EvaluationResult
from eval.run import Labels, run_arms
from eval.settings import EvaluationSettings
from kg_builder.question import Question
from service.seams import Fallback

FALLBACKS: dict[str, Fallback] = {
    "calibrated": "never",
    "calibrated_fallback": "auto",
    "always_retrieve": "always",
}


class ChatSettings(EndpointSettings):
    """An OpenAI-compatible endpoint: ``url`` ends where /chat/completions begins, as in …/v1."""

    model_config = ConfigDict(extra="forbid")

    model: str
    logprobs: bool = False


class Addresses(BaseModel):
    """What is asked. ``service`` gives the routed arms, ``chat`` base and prompt_only."""

    model_config = ConfigDict(extra="forbid")

    service: EndpointSettings | None = None
    chat: ChatSettings | None = None


def evaluate_addresses(
    questions: Sequence[Question],
    addresses: Addresses,
    *,
    labels: Labels | None = None,
    settings: EvaluationSettings | None = None,
    folder: Path | None = None,
    progress: bool = True,
    transport: httpx.BaseTransport | None = None,
) -> EvaluationResult:
    """Ask what runs at ``addresses`` every question.

    What the base knows is told by ``labels`` or by the chat endpoint's own answers. A service keeps the
    answers that it held back to itself, so there is no ranking by confidence and no oracle here. Raises
    EvalError where nobody answers, or what answers is no service of ours.
    """
    settings = settings or EvaluationSettings()
    arms: list[Arm] = []
    point = None
    if addresses.chat is not None:
        chat = Endpoint(addresses.chat, transport=transport)
        arms += [
            ChatArm(
                name,
                chat,
                addresses.chat.model,
                prompt=prompt,
                max_new_tokens=settings.max_new_tokens,
                logprobs=addresses.chat.logprobs,
            )
            for name, prompt in (("base", settings.plain_prompt), ("prompt_only", settings.prompt))
            if name in settings.arms
        ]
    if addresses.service is not None:
        endpoint = Endpoint(addresses.service, transport=transport)
        point = service_point(endpoint, settings.profile)
        if point is None:
            raise EvalError(
                f"{addresses.service.url} is no service of ours (it has no /v1/operating-points). An "
                "OpenAI-compatible endpoint is evaluated as a baseline, with the name of its model."
            )
        arms += [
            ServiceArm(
                name,
                endpoint,
                fallback=fallback,
                profile=settings.profile,
                sources=settings.sources,
            )
            for name, fallback in FALLBACKS.items()
            if name in settings.arms
        ]
        arms += [
            ServiceArm(
                f"calibrated_fallback@{precision:g}",
                endpoint,
                fallback="auto",
                min_precision=precision,
                sources=settings.sources,
            )
            for precision in settings.precisions
        ]
        arms += [
            ServiceArm(
                f"calibrated_fallback-{sources}",
                endpoint,
                fallback="auto",
                profile=settings.profile,
                sources=sources,
            )
            for sources in settings.also_sources
        ]
    if not arms:
        raise EvalError(
            "There is no address to evaluate. Give one of a service or of a chat model."
        )
    identity = addresses.model_dump(include={"service": {"url"}, "chat": {"url", "model"}})
    result = run_arms(
        arms,
        questions,
        settings,
        labels=labels,
        folder=folder,
        identity=identity,
        progress=progress,
    )
    result.point = point
    return result
