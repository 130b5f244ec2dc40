"""Frame: what a question is about and what of it is asked, by the relation catalogue's wordings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from kg_builder.question import AnswerType, Language
from kg_builder.relation import SUBJECT, Catalogue, Relation
from service.language_pack import language_of

END = "?？。.!！…~～ \t\r\n\u3000"
LONGEST = 300  # characters of a question that is taken apart
PEOPLE = frozenset({"person", "ruler", "character"})  # kinds of subject that he and she can mean

# Without a wording of the catalogue: who or what, and an attribute of it.
CHINESE = re.compile(
    r"(?P<subject>《[^《》]{1,60}》|[^的,，:：《》]{1,40})的(?P<attribute>[^,，的]{1,40})"
)
BEFORE_CHINESE = re.compile(r"^(?:请问|那么?|[^是]{0,12}(?:哪|谁|什么)[^是]{0,10}是)[,，]?")
COPULA = re.compile(r"(?:分别)?(?:是|为|叫|有|在)?(?:谁|什么|哪|多少|几|何|吗|$)")
ENGLISH = (
    re.compile(
        r"\b(?P<attribute>[a-z][a-z -]{1,40}?) (?:of|in|by|for) "
        r"(?P<subject>(?:the )?[A-Z0-9][^?]{0,60})$"
    ),
    re.compile(r"\b(?P<subject>[A-Z][\w.-]*(?: [A-Z][\w.-]*){0,5})'s (?P<attribute>[a-z][a-z -]{1,40})"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """``question[start:end]`` is the subject; ``relation`` is None where no catalogue knows what is asked."""

    question: str
    start: int
    end: int
    attribute: str
    relation: Relation | None = None

    @property
    def subject(self) -> str:
        return self.question[self.start : self.end]

    @property
    def answer(self) -> AnswerType | None:
        return None if self.relation is None else self.relation.answer

    @property
    def of_person(self) -> bool | None:
        """Whether the subject is a person; None where that cannot be told."""
        if "《" in self.subject:
            return False
        return None if self.relation is None else self.relation.subject in PEOPLE

    def about(self, subject: str) -> str:
        """The same question about another subject."""
        return self.question[: self.start] + subject + self.question[self.end :]


def frame(question: str, *, verbs: bool = False) -> Frame | None:
    """The frame of ``question``, or None where it names no subject that can be told.

    An English wording without a noun for what is asked (Who wrote {s}?) says little of what kind its subject
    is; it counts only where ``verbs`` asks for it.
    """
    if len(question) > LONGEST:
        return None
    language = language_of(question)
    found = _worded(question, language, verbs)
    if found is not None:
        return found
    return _chinese(question) if language == "zh" else _english(question)


@cache
def catalogue() -> Catalogue:
    return Catalogue.load()


@cache
def attributes(language: Language) -> dict[str, Relation]:
    """The relations by their names in ``language``, the first that claims one."""
    found: dict[str, Relation] = {}
    for relation in catalogue():
        for name in (relation.name(language), *relation.names):
            if language_of(name) == language:
                found.setdefault(name.casefold(), relation)
    return found


@cache
def _wordings(language: Language, verbs: bool) -> list[tuple[str, str, Relation]]:
    """What stands before and after the subject, the most telling first."""
    found = []
    for relation in catalogue():
        for wording in relation.questions(language):
            before, _, after = wording.partition(SUBJECT)
            if verbs or language == "zh" or "'s" in after or re.search(r"\b(of|in)\s*$", before):
                found.append((before, after.rstrip(END), relation))
    return sorted(found, key=lambda one: -len(one[0]) - len(one[1]))


def _worded(question: str, language: Language, verbs: bool) -> Frame | None:
    text = question.rstrip(END)
    for before, after, relation in _wordings(language, verbs):
        start, end = len(before), len(text) - len(after)
        if 0 < end - start <= 60 and text.startswith(before) and text.endswith(after):
            subject = text[start:end].strip()
            if _is_name(subject):
                start += text[start:end].index(subject)
                return Frame(
                    question, start, start + len(subject), relation.name(language), relation
                )
    return None


def _is_name(text: str) -> bool:
    """Whether a span can be a subject: not another question, and of nobody else."""
    if not text or text[0] in "是的,，" or re.search("[,，?？是谁哪]|什么|多少", text):
        return False
    return "的" not in text or "《" in text


def _chinese(question: str) -> Frame | None:
    text = question.rstrip(END)
    lead = BEFORE_CHINESE.match(text)
    begin = lead.end() if lead else 0
    found = CHINESE.match(text, begin)
    if found is None or not _is_name(found["subject"]):
        return None
    attribute = COPULA.split(found["attribute"], maxsplit=1)[0]
    if not attribute:
        return None
    relation = attributes("zh").get(attribute)
    return Frame(question, found.start("subject"), found.end("subject"), attribute, relation)


def _english(question: str) -> Frame | None:
    text = question.rstrip(END)
    for pattern in ENGLISH:
        if found := pattern.search(text):
            attribute = found["attribute"].rpartition("the ")[2].strip()
            relation = attributes("en").get(attribute.casefold())
            return Frame(
                question, found.start("subject"), found.end("subject"), attribute, relation
            )
    return None
