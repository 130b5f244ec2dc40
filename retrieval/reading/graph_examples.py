"""Graph examples: a graph's questions over its passages, as reading-comprehension data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kg_builder.passage import Passage
from kg_builder.passages import COMMA
from kg_builder.question import Language, Question, Split
from retrieval.reading.dataset import ReadingPassage, ReadingQuestion


def graph_examples(
    passages: Sequence[Passage], questions: Sequence[Question], split: Split
) -> list[ReadingPassage]:
    """The passages about the subjects of one split, with the questions about them.

    Of a fact with several objects the answer is the whole list where the passage tells it so.
    """
    asked: dict[tuple[str, Language], list[ReadingQuestion]] = defaultdict(list)
    for question in questions:
        if question.split != split:
            continue
        names = [name for names in question.gold.objects for name in names]
        listed = COMMA[question.language].join(names[0] for names in question.gold.objects)
        answers = tuple(dict.fromkeys([listed, *names]))
        # Every other question in another wording of the catalogue than its main one.
        wordings = [question.text, *question.paraphrases[:1]]
        wording = wordings[sum(question.id.encode()) % len(wordings)]
        asked[question.subject_id, question.language].append(ReadingQuestion(wording, answers))
    return [
        ReadingPassage(passage.title, passage.text, tuple(found))
        for passage in passages
        if passage.entities and (found := asked.get((passage.entities[0], passage.language)))
    ]
