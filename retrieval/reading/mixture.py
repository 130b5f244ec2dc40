"""Mixture: what the span reader learns from, answerable and not, drawn again in every epoch.

Unanswerable examples keep a reader from filling a slot with whatever stands there (Rajpurkar et al.
2018, SQuAD 2.0): a neighbour by BM25 in whose text the answer does not stand, the own passage without
the sentence that answers, the question about another subject, a text that merely repeats the
question, and what ``retrieval.reading.statements`` makes of a graph.

A part of the examples are claims, the question with a true or false answer behind it
(``retrieval.reading.support_cases``): the text answers where it bears the claim out.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from retrieval.lexical import LexicalIndex
from retrieval.reading.dataset import ReadingExample, ReadingPassage, ReadingQuestion, located
from retrieval.reading.statements import Statements, statement_pack
from retrieval.reading.support_cases import cases_of
from retrieval.segmentation import CJK, is_han, ngrams
from retrieval.sentences import sentences

_RUN = re.compile(rf"[{CJK}]+|[A-Za-z\u00c0-\u024f]+|[0-9]+")
NEIGHBOURS = 8
RARE = 4  # questions in which a word stands at most, to take another's place
FEWEST_CHARACTERS = 20  # of a passage that lost a sentence, to be worth reading


class MixtureSettings(BaseModel):
    """Shares of the examples that people asked; what is left is the question with its passage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    neighbour: float = Field(default=0.1, ge=0, le=1)
    without_sentence: float = Field(default=0.07, ge=0, le=1)
    other_subject: float = Field(default=0.03, ge=0, le=1)
    exchanged: float = Field(default=0.09, ge=0, le=1)
    repeated: float = Field(default=0.03, ge=0, le=1)  # the text asks the question again
    # Read without their passage: the sentence that answers, or the one that shares most with the question.
    sentence_alone: float = Field(default=0.2, ge=0, le=1)
    title: float = Field(default=0.6, ge=0, le=1)  # examples that keep their passage's title
    slip: float = Field(default=0.12, ge=0, le=1)  # questions with a slip of the finger
    lower: float = Field(default=0.2, ge=0, le=1)  # questions typed without capitals
    statements: float = Field(default=0.15, ge=0, lt=1)  # of all examples, those made of a graph
    claims: float = Field(
        default=0.12, ge=0, le=1
    )  # questions with an answer, right or wrong, behind


class Mixture:
    """Draws examples from passages with questions, and from a graph's statements."""

    def __init__(
        self,
        passages: Sequence[ReadingPassage],
        statements: Statements | None = None,
        settings: MixtureSettings | None = None,
    ) -> None:
        self.settings = settings or MixtureSettings()
        self._passages = list(passages)
        self._statements = statements
        # Each language has an index of its own: a neighbour in the other one is no neighbour.
        self._places: dict[bool, list[int]] = {True: [], False: []}
        for place, passage in enumerate(self._passages):
            self._places[is_han(passage.text)].append(place)
        self._indexes = {
            chinese: LexicalIndex.of([self._passages[p].text for p in places])
            for chinese, places in self._places.items()
        }
        self._frequency = Counter(
            word
            for passage in self._passages
            for question in passage.questions
            for word in set(_content(question.text))
        )
        self._rare: dict[tuple[bool, int], list[str]] = defaultdict(list)
        for word, count in sorted(self._frequency.items()):
            if count <= RARE:
                self._rare[_kind(word)].append(word)
        self.titles = {
            chinese: [self._passages[p].title for p in places if self._passages[p].title]
            for chinese, places in self._places.items()
        }

    @property
    def questions(self) -> dict[bool, list[tuple[int, int]]]:
        """(passage, question) of everything that was asked, by whether it is in Chinese."""
        return {
            chinese: [
                (place, number)
                for place in places
                for number in range(len(self._passages[place].questions))
            ]
            for chinese, places in self._places.items()
        }

    def draw(self, passage: int, question: int, rng: random.Random) -> ReadingExample | None:
        """One example from a question that was asked, or from a statement in its place.

        None where the data's answer does not stand in its passage.
        """
        settings = self.settings
        if self._statements is not None and rng.random() < settings.statements:
            return self._slipped(self._statements.draw(rng), rng)
        home = self._passages[passage]
        asked = home.questions[question]
        if asked.answers:
            example = located(home, asked)
            if example is None:
                return None
            claimed = rng.random() < settings.claims and self._claim(home, asked, example, rng)
            made = claimed or self._varied(example, asked, passage, rng)
        else:
            made = ReadingExample(asked.text, home.title, home.text)
        if rng.random() < settings.sentence_alone:
            made = alone(made)
        if rng.random() >= settings.title:
            made = made._replace(title="")
        return self._slipped(made, rng)

    def _claim(
        self,
        home: ReadingPassage,
        question: ReadingQuestion,
        example: ReadingExample,
        rng: random.Random,
    ) -> ReadingExample | None:
        made = cases_of(home, question, self.titles[is_han(home.text)], "fit", rng)
        true = rng.random() < 0.5
        told = [case for case in made if case.true is true]
        if not told:
            return None
        case = rng.choice(told)
        claimed = example._replace(question=f"{case.question} {case.claim}")
        return claimed if case.true else claimed._replace(start=-1, end=-1)

    def _varied(
        self, example: ReadingExample, question: ReadingQuestion, passage: int, rng: random.Random
    ) -> ReadingExample:
        settings, place = self.settings, rng.random()
        for share, make in (
            (settings.neighbour, self._neighbour),
            (settings.without_sentence, self._without_sentence),
            (settings.other_subject, self._other_subject),
            (settings.exchanged, self._exchanged),
            (settings.repeated, self._repeated),
        ):
            if place < share:
                return make(example, question, passage, rng) or example
            place -= share
        return example

    def _neighbour(
        self, example: ReadingExample, question: ReadingQuestion, passage: int, rng: random.Random
    ) -> ReadingExample | None:
        chinese = is_han(example.text)
        places = self._places[chinese]
        hits, _ = self._indexes[chinese].search(example.question, NEIGHBOURS)
        near = [places[hit] for hit in hits.tolist() if places[hit] != passage]
        rng.shuffle(near)
        for place in near:
            other = self._passages[place]
            if not any(answer in other.text for answer in question.answers):
                return ReadingExample(example.question, other.title, other.text)
        return None

    def _without_sentence(
        self, example: ReadingExample, question: ReadingQuestion, _: int, rng: random.Random
    ) -> ReadingExample | None:
        for sentence in sentences(example.text):
            if sentence.start <= example.start < sentence.end:
                left = example.text[: sentence.start] + example.text[sentence.end :]
                if len(left) < FEWEST_CHARACTERS or any(a in left for a in question.answers):
                    return None
                return ReadingExample(example.question, example.title, left)
        return None

    def _other_subject(
        self, example: ReadingExample, question: ReadingQuestion, _: int, rng: random.Random
    ) -> ReadingExample | None:
        """The question about somebody else, whom the passage does not name."""
        title = example.title
        if len(title) < 2 or title not in example.question:
            return None
        other = rng.choice(self.titles[is_han(example.text)])
        if other in example.text or title in other or other in title:
            return None
        return ReadingExample(example.question.replace(title, other), title, example.text)

    def _exchanged(
        self, example: ReadingExample, question: ReadingQuestion, _: int, rng: random.Random
    ) -> ReadingExample | None:
        """The rarest word that question and answering sentence share, exchanged in one of them."""
        for sentence in sentences(example.text):
            if not sentence.start <= example.start < sentence.end:
                continue
            answer = example.text[example.start : example.end]
            shared = [
                word
                for word in _content(example.question)
                if word in sentence.text and word not in answer
            ]
            if not shared:
                return None
            word = min(shared, key=lambda w: (self._frequency[w], w))
            other = rng.choice(self._rare[_kind(word)] or [word])
            if other in example.text or other in example.question or word in other:
                return None
            if rng.random() < 0.5:
                return ReadingExample(
                    example.question.replace(word, other), example.title, example.text
                )
            return ReadingExample(
                example.question,
                example.title.replace(word, other),
                example.text.replace(word, other),
            )
        return None

    def _repeated(
        self, example: ReadingExample, question: ReadingQuestion, _: int, rng: random.Random
    ) -> ReadingExample:
        """The question again in place of a statement; in one case of three it is answered there."""
        pack = statement_pack("zh" if is_han(example.question) else "en")
        answer = example.text[example.start : example.end]
        told = rng.random() < 1 / 3
        wording = rng.choice(pack.answered if told else pack.asked)
        text = wording.replace("{q}", example.question).replace("{o}", answer)
        if not told:
            return ReadingExample(example.question, example.title, text)
        start = text.rfind(answer)
        return ReadingExample(example.question, example.title, text, start, start + len(answer))

    def _slipped(self, example: ReadingExample, rng: random.Random) -> ReadingExample:
        if rng.random() < self.settings.lower:
            example = example._replace(question=example.question.lower())
        if rng.random() >= self.settings.slip or len(example.question) < 4:
            return example
        return example._replace(question=slip(example.question, rng))


def alone(example: ReadingExample) -> ReadingExample:
    """The sentence that answers, or of a text that does not the one that shares most with the question."""
    found = sentences(example.text)
    if example.answerable:
        for sentence in found:
            if sentence.start <= example.start and example.end <= sentence.end:
                return example._replace(
                    text=sentence.text,
                    start=example.start - sentence.start,
                    end=example.end - sentence.start,
                )
        return example
    asked = set(ngrams(example.question))
    if not found:
        return example
    best = max(
        found, key=lambda sentence: (len(asked & set(ngrams(sentence.text))), -sentence.start)
    )
    return example._replace(text=best.text)


def _content(question: str) -> list[str]:
    """The words of a question that may name something: Chinese ones of two characters, Latin ones with a
    capital that do not begin it, numbers."""
    import rjieba

    found = []
    for match in _RUN.finditer(question):
        run = match.group()
        if is_han(run):
            found += [word for word in rjieba.cut(run) if len(word) > 1]
        elif run.isdigit() or (run[0].isupper() and match.start() > 0):
            found.append(run)
    return found


def _kind(word: str) -> tuple[bool, int]:
    """Words of one kind take each other's place: as long in Chinese, names or numbers in Latin."""
    if is_han(word):
        return True, len(word)
    return False, int(word.isdigit())


def slip(text: str, rng: random.Random) -> str:
    """A text with one character left out, doubled or swapped with the next."""
    place = rng.randrange(len(text) - 1)
    before, here, after, rest = text[:place], text[place], text[place + 1], text[place + 2 :]
    return before + rng.choice([after, here + here + after, after + here]) + rest
