"""Ask one question in the terminal: the service's own desk, without HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from zhizhi.serving import Served, open_served
from zhizhi.stage import console

if TYPE_CHECKING:
    from service.answer import Answer

BADGES = {
    "direct": "[bold green]直接回答 direct[/bold green]",
    "retrieval": "[bold blue]检索回答 retrieved[/bold blue]",
    "refused": "[bold yellow]我不知道 refused[/bold yellow]",
    "chat": "[bold]闲聊 chat[/bold]",
}


def ask_once(served: Served, question: str, *, profile: str | None, fallback: str) -> Answer:
    """One answer from a finished run, or from an index of documents."""
    from service.backend import Backend
    from service.desk import Desk
    from service.requests import QaRequest
    from service.settings import load_settings
    from zhizhi.recipe import validated

    asked = validated(
        QaRequest, {"question": question, "profile": profile, "fallback": fallback}, "the question"
    )
    settings = load_settings()
    model, chain = open_served(served, settings)
    backend = Backend(model, chain, settings)
    try:
        desk = Desk(settings, backend)

        async def go() -> Answer:
            return (await desk.answer(desk.prepare(asked))).answer

        return asyncio.run(go())
    finally:
        backend.close()


def show(answer: Answer) -> None:
    """Print an answer for people: route, confidence, the answer, its sources."""
    confidence = "" if answer.confidence is None else f"  P(correct) {answer.confidence:.2f}"
    console.print(f"{BADGES[answer.route]}{confidence}")
    print(answer.answer)
    if answer.reason:
        console.print(f"[dim]{answer.reason}[/dim]")
    if answer.gap:
        console.print(answer.gap.needed, markup=False, style="dim")
    if answer.as_of and answer.explanation:
        console.print(answer.explanation, markup=False, style="dim")
    for citation in answer.citations:
        console.print(f"  [{citation.number}] {citation.title}: {citation.quote}", markup=False)
    for citation in answer.closest:
        console.print(f"  … {citation.title}: {citation.quote}", markup=False, style="dim")
    total = answer.timings_ms.get("total")
    console.print(f"[dim]{answer.model}{'' if total is None else f', {total:.0f} ms'}[/dim]")
