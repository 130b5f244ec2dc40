"""Drills: copying, restating and reading, on names that were made up, so that no fact is taught by them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from kg_builder.question import Question
from training.base.corpus import Example, FactWriter, ask, practice
from training.language_pack import language_pack

# Common characters that need not occur in the graph: a copying model must handle what it never saw.
CJK_RANGE = (0x4E00, 0x9FA5)


class Drills:
    """Endless examples of skills, drawn with the caller's random generator.

    ``questions`` lend the shapes of names, the wordings and the objects; ``real`` names are never produced.
    """

    def __init__(self, questions: Sequence[Question], writer: FactWriter, alphabet: str) -> None:
        self.questions = list(questions)
        self.writer = writer
        self.alphabet = alphabet
        self.by_relation: dict[tuple[str, str], list[Question]] = defaultdict(list)
        for question in questions:
            self.by_relation[question.language, question.relation].append(question)
        self.relations: dict[str, list[str]] = defaultdict(list)
        for language, relation in self.by_relation:
            self.relations[language].append(relation)
        self.real = {question.subject for question in questions}

    # ---- made-up names -------------------------------------------------------------------------

    def name(self, like: Question, rng: random.Random) -> str:
        """A name of nobody: the head of one subject with the tail of another of its kind, or letters."""
        peers = self.by_relation[like.language, like.relation]
        for _ in range(4):
            head, tail = rng.choice(peers).subject, rng.choice(peers).subject
            made = splice(head, tail, rng)
            if 1 < len(made) < 16 and made not in self.real:
                return made
        while (made := self.letters(rng, 2, 4)) in self.real:
            pass
        return made

    def object(self, like: Question, rng: random.Random) -> str:
        """An answer of the relation's kind that is true of nothing: borrowed or spliced."""
        peers = self.by_relation[like.language, like.relation]
        first = rng.choice(peers).gold.objects[0][0]
        if rng.random() < 0.5:
            return first
        made = splice(first, rng.choice(peers).gold.objects[0][0], rng)
        return made if 0 < len(made) < 20 else first

    def letters(self, rng: random.Random, fewest: int, most: int) -> str:
        count = rng.randint(fewest, most)
        if rng.random() < 0.1:
            return "".join(chr(rng.randint(*CJK_RANGE)) for _ in range(count))
        return "".join(rng.choice(self.alphabet) for _ in range(count)).strip() or "一"

    def invented(self, rng: random.Random, like: Question | None = None) -> Question:
        """A question about a fact that was made up."""
        like = like or rng.choice(self.questions)
        subject = self.name(like, rng)
        swap = (like.subject, subject)
        gold = like.gold.model_copy(update={"objects": ((self.object(like, rng),),)})
        return like.model_copy(
            update={
                "subject": subject,
                "text": like.text.replace(*swap),
                "paraphrases": tuple(p.replace(*swap) for p in like.paraphrases),
                "topic": like.topic.replace(*swap),
                "gold": gold,
            }
        )

    # ---- skills --------------------------------------------------------------------------------

    def copy(self, rng: random.Random) -> Example:
        language = rng.choice(list(self.relations))
        words = practice(language)
        text = self.letters(rng, 2, 10) if rng.random() < 0.6 else self.invented(rng).topic
        if text in self.real:
            text += self.letters(rng, 1, 1)
        i = rng.randrange(len(words.copy_requests))
        return Example(
            words.copy_requests[i].replace("{text}", text), words.copies[i].replace("{text}", text)
        )

    def restate(self, rng: random.Random) -> Example:
        question = self.invented(rng)
        words = practice(question.language)
        prompt = ask(question, rng, language_pack(question.language)) + rng.choice(
            words.restate_requests
        )
        return Example(prompt, rng.choice(words.restatements).replace("{topic}", question.topic))

    def small_talk(self, rng: random.Random) -> Example:
        user, assistant = rng.choice(practice(rng.choice(list(self.relations))).small_talk)
        return Example(user, assistant)

    def read(self, rng: random.Random, level: float) -> Example:
        """A passage or several, and a question that they answer or (three in ten) do not.

        ``level`` from 0 (one passage of one sentence, always answerable) to 1 (up to three passages of up
        to four sentences).
        """
        asked = self.invented(rng)
        language = asked.language
        words = practice(language)
        answerable = rng.random() >= 0.3 * min(1.0, 2 * level)
        sentences = rng.randint(1, 1 + round(3 * level))
        passages = rng.randint(1, 1 + round(2 * level))
        number = rng.randrange(passages)
        lines = []
        for i in range(passages):
            subject = asked.subject if i == number else self.name(asked, rng)
            relations = rng.sample(
                self.relations[language], k=min(sentences, len(self.relations[language]))
            )
            relations = [r for r in relations if r != asked.relation]
            if (i == number and answerable) or (i != number and rng.random() < 0.6):
                place = rng.randrange(sentences)
                relations = [*relations[:place], asked.relation, *relations[place : sentences - 1]]
            told = []
            for relation in relations:
                like = rng.choice(self.by_relation[language, relation])
                fact = like.model_copy(update={"subject": subject})
                is_answer = i == number and relation == asked.relation
                obj = asked.gold.objects[0][0] if is_answer else self.object(like, rng)
                told.append(self.writer.statement(fact, rng, obj))
            text = "。".join(told) + "。" if language == "zh" else ". ".join(told) + "."
            lines.append(f"[{i + 1}] {text}")
        pack = language_pack(language)
        question = ask(
            asked, rng, pack.model_copy(update={"prompts": ("{question}", "{question}")})
        )
        prompt = words.reading_prompt.replace("{passages}", "\n".join(lines))
        if answerable:
            answer = words.reading_answer.replace("{number}", str(number + 1))
            answer = answer.replace("{answer}", asked.gold.objects[0][0])
        else:
            answer = words.reading_unanswerable
        return Example(prompt.replace("{question}", question), answer)


def splice(head: str, tail: str, rng: random.Random) -> str:
    """The first part of one name and the last part of another; words stay whole in Latin script."""
    if " " in head or " " in tail:
        left, right = head.split(" "), tail.split(" ")
        return " ".join([*left[: rng.randint(1, len(left))], *right[-rng.randint(1, len(right)) :]])
    return (
        head[: rng.randint(1, max(1, len(head) - 1))]
        + tail[-rng.randint(1, max(1, len(tail) - 1)) :]
    )
