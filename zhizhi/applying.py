"""Applying: tell the bundle of a finished run where its promise ends."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kg_builder.errors import UserError
from kg_builder.files import digest, read_jsonl
from kg_builder.question import Question
from kg_builder.relation import SUBJECT
from training.applicability import Applicability
from training.bundle import Bundle
from training.domain import Domain, Link, masked
from training.novelty import Novelty, fit_novelty

SEED = 16
INSIDE = 1200  # calibration questions that are learnt from, each once as it is and once with a slip
OUTSIDE = 3000  # questions of each file
UNSEEN = 5  # parts of the wordings; each is taken for unknown once
LOST = 0.05  # share of the questions from inside, slips and new wordings included, that may be lost


def apply_to_run(run: Path, outside: Sequence[Path] = ()) -> dict[str, Any]:
    """Tell the bundle of ``run`` where its promise ends, anew where it knew.

    Its thresholds stay as they were certified: what is no longer answered directly was above or below them.
    """
    bundle = Bundle.load(run / "bundle")
    questions = [Question.model_validate(r) for r in read_jsonl(run / "graph" / "questions.jsonl")]
    novelty = learn_novelty(questions, outside) if outside else None
    found = Applicability.of(questions, novelty)
    card = (bundle.folder / "README.md").read_text(encoding="utf-8")
    made = bundle.replace(bundle.spec, card, found)
    return {
        "bundle": made.name,
        "names": len(found.domain.names),
        "wordings": len(found.domain.wordings),
        "relations": len(found.domain.relations),
        "novelty": found.novelty.model_dump(mode="json"),
    }


def learn_novelty(questions: Sequence[Question], outside: Sequence[Path]) -> Novelty:
    """What tells questions from ``outside`` from the calibration questions: whole, with a slip of the finger,
    and in wordings that the domain is made not to know."""
    rng = random.Random(SEED)
    domain = Domain.of(questions)
    calibration = [q for q in questions if q.split == "calibration"]
    chosen = rng.sample(calibration, min(INSIDE, len(calibration)))
    inside = [domain.link(text) for q in chosen for text in (q.text, slip(q.text, rng))]
    inside += _in_other_wordings(domain, chosen)
    strange: dict[str, Sequence[Link]] = {
        "false_premises": list(_false_premises(domain, chosen, rng))
    }
    for path in outside:
        texts = _texts(path)
        chosen_texts = rng.sample(texts, min(OUTSIDE, len(texts)))
        strange[path.stem] = [domain.link(text) for text in chosen_texts]
    # With a slip in it a name is another, or none.
    return fit_novelty([link for link in inside if link.name], strange, lost=LOST)


def slip(text: str, rng: random.Random) -> str:
    """``text`` with one character left out, doubled or swapped with the next."""
    if len(text) < 2:
        return text
    i = rng.randrange(len(text) - 1)
    before, here, after, rest = text[:i], text[i], text[i + 1], text[i + 2 :]
    return before + rng.choice([after, here + here + after, after + here]) + rest


def _false_premises(
    domain: Domain, questions: Sequence[Question], rng: random.Random
) -> Iterator[Link]:
    """What is never asked of things of that kind: the number plate of an emperor."""
    for question in questions:
        wordings = sorted(domain.calibrated[question.language].values())
        link = domain.link(rng.choice(wordings).replace(SUBJECT, question.subject))
        if link.name and not link.fit:
            yield link


def _in_other_wordings(domain: Domain, questions: Sequence[Question]) -> Iterator[Link]:
    for part in range(UNSEEN):
        hidden = {w for w in domain.wordings if int(digest(["wording", w]), 16) % UNSEEN == part}
        known = {w: asked for w, asked in domain.wordings.items() if w not in hidden}
        less = Domain.model_validate({**domain.model_dump(), "wordings": known})
        for question in questions[part::UNSEEN]:
            texts = (question.text, *question.paraphrases)
            found = next((t for t in texts if masked(t, question.subject) in hidden), None)
            if found is not None:
                yield less.link(found)


def _texts(path: Path) -> list[str]:
    """The questions of a file: `question`, or those under `qas` of a reading-comprehension set."""
    found: list[str] = []
    for record in read_jsonl(path):
        several = record.get("qas")
        asked = [record] if several is None else several
        found += [q.get("question") or q.get("q") or "" for q in asked]
    found = [text for text in found if text.strip()]
    if not found:
        raise UserError(f"{path} holds no question. Each line must have a field `question`.")
    return found
