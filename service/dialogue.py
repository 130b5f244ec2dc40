"""Making a follow-up question self-contained: every question is answered by itself.

    法国的首都是哪里?  …  那英国呢?                 → 英国的首都是哪里?
    法国的首都是哪里?  …  货币呢?                   → 法国的货币是什么?
    岳云的父亲是谁?    …  他哪年去世的?             → 岳云哪年去世的?
    What is the capital of France?  …  And Spain?  → What is the capital of Spain?

What is left out is taken from the subject of an earlier question. What cannot be placed is left as it
stands: a pronoun that may mean the earlier answer, an adverb, a word of thanks. The answer's ``question``
shows what was asked in the end. Everything is linear in the length of the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kg_builder.question import Language
from kg_builder.relation import generic_relation
from service.language_pack import FollowUp, language_of, language_pack
from service.name_or_attribute import LONGEST as LONGEST_NAME
from service.name_or_attribute import is_attribute, is_name
from service.question_frame import END, LONGEST, PEOPLE, Frame, attributes, frame
from service.small_talk import small_talk

TURNS = 16  # of a conversation that are looked back on


def last_question(questions: Sequence[str]) -> str:
    """The last of the questions of a conversation, self-contained where that can be done."""
    return self_contained(questions[-1], questions[:-1]) or questions[-1].strip()


def self_contained(question: str, before: Sequence[str]) -> str | None:
    """``question`` with what it leaves out, from the questions ``before`` it (oldest first).

    None where something is left out that nothing before can be said to stand for.
    """
    earlier: Frame | None = None
    for previous in before[-TURNS:]:
        earlier = frame(_completed(previous, earlier) or "") or earlier
    return _completed(question, earlier)


def _completed(question: str, earlier: Frame | None) -> str | None:
    question = question.strip()
    if len(question) > LONGEST:
        return question  # nobody leaves out a word for brevity there
    if small_talk(question) is not None:
        return None
    asked = _Asked(question)
    if asked.pronoun is not None:
        return asked.pronoun_replaced(earlier)
    return asked.completed(earlier) or (None if asked.elliptic else question)


def is_open(question: str) -> bool:
    """Whether ``question`` has a pronoun that nothing in it stands for: 他哪年去世的?"""
    if len(question) > LONGEST:
        return False
    return _Asked(question).pronoun is not None


class _Asked:
    """One question of a conversation, in words."""

    def __init__(self, question: str) -> None:
        self.question = question
        self.language = language_of(question)
        self.pack: FollowUp = language_pack(self.language).follow_up
        self.tokens = _cut(question, self.language)
        self.pronoun = self._pronoun()
        self.core, self.led, self.ended = self._core()

    @property
    def elliptic(self) -> bool:
        """Whether it is no sentence: nothing but adverbs and question words, or one thing after a lead-in."""
        said = [t.casefold() for t in _cut(self.core, self.language) if t.strip(END + ",，")]
        bare = {*self.pack.adverbs, *self.pack.question_words, *self.pack.function_words}
        if all(word in bare or word in self.pack.endings for word in said):
            return self.led or self.ended or not self._asks
        return (self.led or self.ended) and self._one_thing

    @property
    def _asks(self) -> bool:
        if self.language == "zh":
            return any(word in self.core for word in self.pack.question_words)
        return self.core.partition(" ")[0].casefold() in self.pack.question_words

    @property
    def _one_thing(self) -> bool:
        return bool(self.core) and not self._asks and len(self.core) <= LONGEST_NAME

    def _pronoun(self) -> int | None:
        """The place among the tokens of a pronoun before which nothing stands that it could mean."""
        chinese = self.language == "zh"
        openers = {*self.pack.function_words, *self.pack.question_words}
        for i, token in enumerate(self.tokens):
            word = token if chinese else token.casefold()
            if word in self.pack.pronouns:
                return i
            if not token.strip(END + ",，") or word in openers:
                continue
            # Verbs and nouns before a pronoun are no antecedent in English, names are.
            if chinese or (token[0].isupper() and i > 0) or token[0].isdigit():
                return None
        return None

    def _core(self) -> tuple[str, bool, bool]:
        """What is between lead-ins and particles, and whether there were any of either."""
        core, led, ended = self.question.strip(END + ",，"), False, False
        space = "" if self.language == "zh" else " "
        for lead in sorted(self.pack.lead_ins * 2, key=len, reverse=True):
            if core.casefold().startswith(lead + space):
                core, led = core[len(lead) :].strip(END + ",，"), True
        for ending in self.pack.endings:
            if core.endswith(ending):
                core, ended = core.removesuffix(ending).strip(END + ",，"), True
        return core, led, ended

    def pronoun_replaced(self, earlier: Frame | None) -> str | None:
        """The question with the earlier subject in its pronoun's place, where it can be that."""
        assert self.pronoun is not None
        word = self.tokens[self.pronoun]
        if earlier is None or not _can_mean(self.pack.pronouns[word.casefold()], earlier):
            return None
        after = "".join(self.tokens[self.pronoun + 1 :])
        before = "".join(self.tokens[: self.pronoun])
        if self.language == "en":
            possessive = word.casefold() in ("his", "its", "their") or (
                word.casefold() == "her" and after[1:2].isalpha()
            )
            rest = self.core.rpartition(word)[2].strip() if possessive else ""
            if possessive and (self.led and self.core.startswith(word)):
                return self._of(earlier.subject, rest)
            return before + earlier.subject + ("'s" if possessive else "") + after
        rest = after.strip(END).removeprefix("的").rstrip("".join(self.pack.endings))
        if not rest:
            return None
        if is_attribute(rest, "zh") and not before.strip("".join(self.pack.lead_ins)):  # 他妻子呢
            return self._of(earlier.subject, rest)
        following = self.tokens[self.pronoun + 1]
        noun = len(following) > 1 and is_attribute(following, "zh")  # 他国籍是 → 岳云的国籍是
        return before + earlier.subject + ("的" if noun else "") + after

    def completed(self, earlier: Frame | None) -> str | None:
        """The question that a name or an attribute alone stands for."""
        if not (self.led or self.ended) or not self._one_thing:
            return None
        core, english = self.core, self.language == "en"
        own = frame(f"{core}是什么?") if not english else None
        if own is not None and own.attribute and "的" in core and not core.endswith("的"):
            return self._of(own.subject, own.attribute)
        if earlier is None or core.casefold() in self.pack.adverbs:
            return None
        named = core.removesuffix("的") if not english else core
        if english and any(w in self.pack.adverbs for w in core.casefold().split()):
            return None
        if is_attribute(core, self.language):
            return self._asked_of(earlier, core)
        if is_name(named, self.language):
            return earlier.about(named)
        return None

    def _asked_of(self, earlier: Frame, attribute: str) -> str | None:
        """``attribute`` of the earlier subject, unless things of its kind have none."""
        relation = attributes(self.language).get(attribute.casefold().removeprefix("the "))
        if relation is not None and earlier.of_person is not None:
            people = relation.subject in PEOPLE
            if people is not earlier.of_person and relation.subject != "thing":
                return None
        return self._of(earlier.subject, attribute)

    def _of(self, subject: str, attribute: str) -> str:
        attribute = attribute.strip().removeprefix("the ")
        relation = attributes(self.language).get(attribute.casefold())
        words = self.pack.words
        kind = (relation or generic_relation(attribute)).answer
        word = words.get(kind, words["other"])
        wording = self.pack.attribute_question.replace("{word}", word)
        return wording.replace("{p}", attribute).replace("{s}", subject)


def _cut(text: str, language: Language) -> list[str]:
    """``text`` in words and what is between them; joined they give it back."""
    if language == "zh":
        import rjieba

        return list(rjieba.cut(text))
    return re.findall(r"\w+(?:['’.-]\w+)*|\s+|[^\w\s]", text)


def _can_mean(pronoun: str, earlier: Frame) -> bool:
    """Whether a pronoun can stand for the earlier subject, and not as well for the earlier answer."""
    if pronoun in ("thing", "things"):
        return not earlier.of_person
    if pronoun == "any":
        return True
    if earlier.of_person is False:
        return False  # 他 is no book
    pack = language_pack(language_of(earlier.question)).follow_up
    asked = _asked_for(earlier)
    woman = any(word in asked for word in pack.feminine)
    man = any(word in asked for word in pack.masculine)
    if pronoun == "woman":
        return not woman
    if pronoun == "man" and man:
        # 岳云的父亲是谁? 他…: the one who was spoken of; of a husband she is the one who was not.
        return not any(word in asked for word in ("夫", "husband", "boyfriend"))
    known = earlier.of_person or woman or man
    return bool(known) or earlier.answer != "person"


def _asked_for(earlier: Frame) -> str:
    """What the earlier question says of its subject."""
    rest = earlier.question[: earlier.start] + " " + earlier.question[earlier.end :]
    return rest.casefold()
