"""Judge: a second opinion on verdicts by a language model, and how far it agrees with `matches`.

The judge sees the question, the right answer and the text. It is not told which system wrote it, nor
whether a refusal was wanted. What it says without a readable conclusion is unscored, never a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from eval.figures import entity_of, share
from eval.language_pack import language_pack
from eval.ledger import Ledger
from eval.result import ArmResult, EvaluationResult
from eval.verdict import VERDICTS, Verdict
from kg_builder.files import digest
from kg_builder.question import Question
from training.generation import Message, Model, Sampling


class Opinion(BaseModel):
    """What the judge thinks of one text as an answer to one question: a line of its ledger."""

    question_id: str
    text: str
    verdict: Verdict


def opinions(
    model: Model, answers: Sequence[tuple[Question, str]], *, max_new_tokens: int = 120
) -> list[Opinion]:
    """The judge's verdict on every answer, asked as one batch."""
    conversations = [_conversation(question, text) for question, text in answers]
    found = model.generate(conversations, Sampling(max_new_tokens=max_new_tokens))
    return [
        Opinion(
            question_id=question.id,
            text=text,
            verdict=language_pack(question.language).judge.read(generation.text),
        )
        for (question, text), generation in zip(answers, found, strict=True)
    ]


def _conversation(question: Question, answer: str) -> list[Message]:
    words = language_pack(question.language).judge
    gold = " / ".join(name for names in question.gold.objects for name in names)
    return [{"role": "user", "content": words.ask(question.text, gold, answer)}]


def judged(
    result: EvaluationResult, model: Model, *, folder: Path | None = None, chunk: int = 64
) -> tuple[EvaluationResult, dict[str, Any]]:
    """The result with the judge's verdicts in place of those of `matches`, and the agreement by arm.

    Where the judge could not tell, the question is unscored: it is not filled in from elsewhere. A record
    without a text stays unscored, unasked. A text that several arms gave is judged once; ``folder`` holds
    the ledger by which a killed judgement goes on.
    """
    asked = {
        (q.id, r.text): q
        for arm in result.arms.values()
        for q, r in zip(result.questions, arm.records, strict=True)
        if r.text is not None
    }
    identity = [model.name, digest([q.model_dump(mode="json") for q in result.questions])]
    ledger = Ledger(folder and folder / "judge.jsonl", identity, Opinion)
    done = {(o.question_id, o.text) for o in ledger.entries}
    missing = [(q, text) for (key, text), q in asked.items() if (key, text) not in done]
    for start in range(0, len(missing), chunk):
        ledger.append(opinions(model, missing[start : start + chunk]))
    verdict_of = {(o.question_id, o.text): o.verdict for o in ledger.entries}
    clusters = [entity_of(q) for q in result.questions]
    arms: dict[str, ArmResult] = {}
    agreements: dict[str, Any] = {}
    for name, arm in result.arms.items():
        verdicts: list[Verdict] = [
            "unscored" if r.text is None else verdict_of[r.question_id, r.text] for r in arm.records
        ]
        records = [
            r.model_copy(update={"verdict": v}) for r, v in zip(arm.records, verdicts, strict=True)
        ]
        arms[name] = arm.model_copy(update={"records": records})
        agreements[name] = agreement([r.verdict for r in arm.records], verdicts, clusters)
    return result.model_copy(update={"arms": arms}), {"judge": model.name, "arms": agreements}


def agreement(
    matched: Sequence[Verdict], judged: Sequence[Verdict], clusters: Sequence[str]
) -> dict[str, Any]:
    """How often both say the same, Cohen's kappa (Cohen 1960), every pair of verdicts with its count,
    and how many the judge left unscored. Ambiguous and unscored ones are not compared."""
    pairs = list(zip(matched, judged, strict=True))
    told = [
        (pair, cluster)
        for pair, cluster in zip(pairs, clusters, strict=True)
        if not {*pair} & {"unscored", "ambiguous"}
    ]
    compared = [pair for pair, _ in told]
    n, same = len(compared), sum(m == j for m, j in compared)
    by_chance = sum(
        (sum(m == v for m, _ in compared) / n) * (sum(j == v for _, j in compared) / n)
        for v in VERDICTS
        if n
    )
    return {
        "agreement": share([m == j for m, j in compared], [cluster for _, cluster in told], 0.95),
        "kappa": (same / n - by_chance) / (1 - by_chance) if n and by_chance < 1 else None,
        "unscored": sum(j == "unscored" for _, j in pairs),
        "pairs": {f"{m}/{j}": count for (m, j), count in sorted(Counter(pairs).items())},
    }
