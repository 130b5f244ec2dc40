"""Candidates: what people said the right answer is, as questions for the next round of training.

Nobody has judged them: they are to be looked through before anything is taught.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kg_builder.files import digest
from kg_builder.question import Gold, Question
from training.language_pack import language_pack

SOURCE = "question-log"


def candidates(exported: Iterable[dict[str, Any]]) -> Iterator[Question]:
    """Of the records of ``question_log.export`` those with a right answer, as kg_builder's questions."""
    for record in exported:
        answers = record["correct_answers"]
        if not answers:
            continue
        text, language = record["text"], record["language"]
        topic = language_pack(language).topic(text)
        identity = digest([SOURCE, text])
        yield Question(
            id=f"log-{identity}",
            text=text,
            language=language,
            subject=topic,
            subject_id=f"log-{identity}",
            relation=SOURCE,
            topic=topic,
            # Several people, several wordings of one answer.
            gold=Gold(objects=(tuple(answers),)),
            split="train",
            popularity=float(record["times"]),
            source=SOURCE,
        )
