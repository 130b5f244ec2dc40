"""Outside: what a model answers directly of what it was never calibrated on, and what that costs inside.

Questions from outside come from other data sets: an answer given to them directly stands under no promise, so
what counts is how many of the questions get a wrong one. Inside, the same bundle is asked with and without
the knowledge of where it applies: as the questions are, with a slip of the finger, in traditional characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.slices import make_slices
from kg_builder.errors import UserError
from kg_builder.files import digest, read_jsonl
from kg_builder.question import Gold, Question
from service.router import judge
from training.attempt import Attempt, Attempter, OperatingPoint
from training.calibrated import CalibratedModel
from training.intervals import wilson
from training.label import verdict

BATCH = 64
SLICES = ("plain", "paraphrase", "typo", "traditional")


def outside(
    model: Attempter, sets: Mapping[str, Sequence[Question]], point: OperatingPoint
) -> dict[str, dict[str, Any]]:
    """For every set: its size ``n``, how many are answered ``direct``ly, how many of these right, and the
    ``wrong_share`` of all questions with its 95% Wilson ``interval``."""
    figures = {}
    for name, questions in sets.items():
        right = [
            verdict(question, attempt.text) == "right"
            for question, attempt in _attempts(model, questions)
            if judge(attempt, point) is None
        ]
        n, wrong = len(questions), len(right) - sum(right)
        figures[name] = {
            "n": n,
            "direct": len(right),
            "direct_right": sum(right),
            "wrong_share": wrong / n if n else None,
            "interval": wilson(wrong, n),
        }
    return figures


def inside(
    model: CalibratedModel, questions: Sequence[Question], point: OperatingPoint, per_slice: int
) -> dict[str, dict[str, Any]]:
    """For every slice of held-out questions: what the model answers directly, and how much of that is right,
    ``before`` and ``after`` it knows where it applies; ``kept`` is the share of the right direct answers of
    before that are right direct answers after."""
    bare = CalibratedModel(model.model, model.spec, model.name)
    figures = {}
    for one in make_slices(questions, per_slice=per_slice):
        if one.name not in SLICES:
            continue
        before, after = (_right(m, one.questions, point) for m in (bare, model))
        good = [i for i, found in enumerate(before) if found is True]
        kept = sum(after[i] is True for i in good)
        figures[one.name] = {
            "n": len(one.questions),
            "before": _counts(before),
            "after": _counts(after),
            "kept": kept / len(good) if good else None,
            "kept_interval": wilson(kept, len(good)),
        }
    return figures


def _right(
    model: Attempter, questions: Sequence[Question], point: OperatingPoint
) -> list[bool | None]:
    """Whether each direct answer is right; None where there is none."""
    return [
        verdict(question, attempt.text) == "right" if judge(attempt, point) is None else None
        for question, attempt in _attempts(model, questions)
    ]


def _counts(found: Sequence[bool | None]) -> dict[str, int]:
    return {"direct": sum(f is not None for f in found), "right": sum(f is True for f in found)}


def _attempts(
    model: Attempter, questions: Sequence[Question]
) -> Iterable[tuple[Question, Attempt]]:
    for start in range(0, len(questions), BATCH):
        part = questions[start : start + BATCH]
        yield from zip(part, model.attempt([q.text for q in part]), strict=True)


def read_outside(path: Path, *, half: bool = False, limit: int | None = None) -> list[Question]:
    """The questions of a JSON Lines file: `question` with `answer`, or those under `qas` of a
    reading-comprehension set.

    ``half``: only those that were not learnt from, of a file whose other half was (``learnt_from``);
    ``limit``: so many of them in hash order. Raises UserError where there is none.
    """
    found: dict[str, Question] = {}
    for record in read_jsonl(path):
        for asked in record.get("qas") or [record]:
            text = str(asked.get("question") or asked.get("q") or "").strip()
            answers = asked.get("answers") or asked.get("a") or [asked.get("answer")]
            names = [str(a) for a in answers if a]
            if text and names and not (half and learnt_from(text)):
                found[text] = Question(
                    id=f"outside-{digest(text)}",
                    text=text,
                    language="zh",
                    subject="",
                    subject_id=digest(text),
                    relation="",
                    topic=text,
                    gold=Gold(objects=((names[0], *names[1:]),)),
                    split="test",
                    source=path.stem,
                )
    if not found:
        raise UserError(f"{path} holds no question with an answer. Give each line both.")
    return sorted(found.values(), key=lambda q: q.id)[:limit]


def learnt_from(text: str) -> bool:
    """Whether a question is of the half of its set that training/novelty.json was learnt from."""
    return int(digest(["outside", text]), 16) % 2 == 0
