"""ReaderModel: what the extractive reader learns before it reads, and where it is kept."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from kg_builder.files import write_text
from kg_builder.passage import Passage
from kg_builder.question import Question
from kg_builder.relation import Catalogue, Relation
from retrieval.errors import RetrievalError
from retrieval.object_model import ObjectModel
from retrieval.sentences import sentences
from retrieval.wording import ALSO, WordingTable, sentence_key, subject_key

FORMAT = "zhizhi-reader-1"


class ReaderModelError(RetrievalError):
    """A reader model's file cannot be read."""


class ReaderModel:
    """The relations' wordings, and what their objects look like.

    Without knowledge of objects (``ReaderModel.untrained()``) words that several relations share are
    left unread.
    """

    def __init__(self, relations: Iterable[Relation], objects: ObjectModel | None = None) -> None:
        self.relations = tuple(relations)
        self.objects = objects or ObjectModel({})

    @classmethod
    def untrained(cls) -> ReaderModel:
        """The built-in catalogue, and nothing learnt."""
        return cls(Catalogue.load())

    @classmethod
    def load(cls, path: Path) -> ReaderModel:
        """Raises ReaderModelError where the file is none of ours."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["format"] != FORMAT:
                raise ValueError(f"format {value['format']!r}")
            relations = [Relation.model_validate(entry) for entry in value["relations"]]
            return cls(relations, ObjectModel.from_json(value["objects"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReaderModelError(
                f"{path}: no reader model ({error}). Train it again with the index."
            ) from error

    def save(self, path: Path) -> None:
        value = {
            "format": FORMAT,
            "relations": [relation.model_dump(mode="json") for relation in self.relations],
            "objects": self.objects.as_json(),
        }
        write_text(path, json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n")


def train_reader(
    passages: Iterable[Passage], catalogue: Catalogue, questions: Iterable[Question] = ()
) -> ReaderModel:
    """Learn what kinds of objects relations have.

    From passages only statements count whose wording belongs to one relation. ``questions`` outside
    the training split are ignored, so that a whole set can be passed; relations of theirs that the
    catalogue lacks are read by their plain name.
    """
    questions = [question for question in questions if question.split == "train"]
    relations = {relation.id: relation for relation in catalogue}
    for question in questions:
        relations.setdefault(question.relation, catalogue.resolve(question.relation))
    table = WordingTable(relations.values())
    pairs: list[tuple[str, str]] = []
    rivals: set[frozenset[str]] = {
        frozenset((one.id, other.id))
        for one, other in combinations(relations.values(), 2)
        if one.subject == other.subject
    }
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    facts: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for passage in passages:
        subject = subject_key(passage.title)
        told = _plain_statements(passage, subject, table)
        pairs += told.items()
        rivals |= _rivals(told)
        kinds[subject].update(relations[relation].subject for relation in told)
    for question in questions:
        pairs += [(question.relation, names[0]) for names in question.gold.objects]
        facts[question.language, question.subject_id][question.relation] = question.gold.text
    for known in facts.values():
        rivals |= _rivals(known)
    return ReaderModel(
        relations.values(),
        ObjectModel.fit(
            pairs,
            [tuple(pair) for pair in rivals if len(pair) == 2],
            {name: counts.most_common(1)[0][0] for name, counts in kinds.items() if counts},
        ),
    )


def _plain_statements(passage: Passage, subject: str, table: WordingTable) -> dict[str, str]:
    """Relation → object, for the sentences that can mean one relation only."""
    found: dict[str, str] = {}
    for sentence in sentences(passage.text):
        text = sentence_key(sentence.text)
        told = table.tell(text, subject)
        if len(told) == 1 and len(told[0].relations) == 1:
            (relation,) = told[0].relations
            if relation != ALSO:
                found[relation] = text[told[0].start : told[0].end]
    return found


def _rivals(told: dict[str, str]) -> set[frozenset[str]]:
    return {
        frozenset((one, other)) for one, other in combinations(told, 2) if told[one] != told[other]
    }
