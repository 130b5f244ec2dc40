"""Extraction: candidate answers in evidence, each with the sentence that says so.

A question is read by the catalogue's wordings: 「谁是岳云的父亲?」 asks 父亲 of 岳云. A sentence
answers it if it states that relation of that subject in any of the catalogue's statements; the object
is the answer. Words that several relations share are told apart by their objects (retrieval.object_model).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kg_builder.passage import Passage
from retrieval.canonical import canonical
from retrieval.evidence import Evidence
from retrieval.object_model import ObjectModel
from retrieval.sentences import Sentence, sentences
from retrieval.wording import ALSO, Asked, Told, WordingTable, sentence_key, subject_key

# Pronouns with which a passage speaks of what its title names.
PRONOUNS = ("他", "她", "它", "其", "该地", "该市", "he", "she", "it")


class Candidate(NamedTuple):
    """One possible answer. ``start`` and ``end`` are offsets into the passage's text."""

    evidence: Evidence
    rank: int  # place of the evidence, from 0
    sentence: Sentence
    relation: str
    start: int
    end: int
    fit: float  # that the sentence states this relation
    similarity: float  # that the question asks for it
    plain: bool  # no other relation is told in these words

    @property
    def text(self) -> str:
        return self.evidence.passage.text[self.start : self.end]


def extract(
    asked: Sequence[Asked],
    evidence: Sequence[Evidence],
    table: WordingTable,
    objects: ObjectModel,
) -> list[Candidate]:
    """Every sentence of the evidence that states what is asked, best first."""
    found: list[Candidate] = []
    by_subject: dict[str, list[Asked]] = {}
    for one in asked:
        by_subject.setdefault(one.subject, []).append(one)
    for rank, item in enumerate(evidence):
        pieces = sentences(item.passage.text)
        keys = [sentence_key(piece.text) for piece in pieces]
        for subject, readings in by_subject.items():
            for name in names_in(item.passage, subject, keys, table):
                for piece, text in zip(pieces, keys, strict=True):
                    for told in table.tell(text, name):
                        found += _candidates(item, rank, piece, text, told, name, readings, objects)
    return sorted(found, key=lambda c: (-c.similarity, -c.fit * (1 if c.plain else 0.9), c.rank))


def names_in(passage: Passage, subject: str, keys: Iterable[str], table: WordingTable) -> list[str]:
    """What the passage calls the subject: its name, the title it is another name of, a pronoun."""
    title = subject_key(passage.title)
    names = [subject]
    bare = subject.strip(".?!。")
    if title.strip(".?!。") == bare:
        names += [title, *PRONOUNS] if title != subject else PRONOUNS
    elif any(_is_alias(subject, text, title, table) for text in keys):
        names += [title, *PRONOUNS]
    return names


def _is_alias(subject: str, text: str, title: str, table: WordingTable) -> bool:
    if subject not in text:
        return False
    for told in table.tell(text, title):
        if ALSO in told.relations:
            listed = text[told.start : told.end].replace(", ", "、").split("、")
            if subject in map(subject_key, listed):
                return True
    return False


def _candidates(
    item: Evidence,
    rank: int,
    piece: Sentence,
    text: str,
    told: Told,
    name: str,
    readings: Sequence[Asked],
    objects: ObjectModel,
) -> list[Candidate]:
    found = []
    value = text[told.start : told.end]
    # 「甲又称甲市」 tells a spelling, not a nickname; and nobody is their own father.
    if value == name or (ALSO in told.relations and _same_name(value, name)):
        return []
    mapped = canonical(piece.text)
    start, end = mapped.original(piece.text, told.start, told.end)
    relations = told.relations - {ALSO}
    for reading in readings:
        if reading.relation in relations:
            found.append(
                Candidate(
                    evidence=item,
                    rank=rank,
                    sentence=piece,
                    relation=reading.relation,
                    start=piece.start + start,
                    end=piece.start + end,
                    fit=objects.fits(value, reading.relation, relations),
                    similarity=reading.similarity,
                    plain=len(told.relations) == 1,
                )
            )
    return found


def _same_name(value: str, name: str) -> bool:
    """Whether all characters of the shorter stand in the longer in order: 得州, 得克萨斯州."""
    shorter, longer = sorted((value, name), key=len)
    rest = iter(longer)
    return all(character in rest for character in shorter)
