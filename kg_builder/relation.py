"""Relation and Catalogue: what a property is called, how it is asked and how it is told.

RelationError    a catalogue file is missing, malformed, or says two things about one relation
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from kg_builder.errors import UserError
from kg_builder.literals import HAN
from kg_builder.question import AnswerType, Language

Values = Literal["one", "many", "changing"]

SUBJECT, OBJECT = "{s}", "{o}"
# A title and what tells it from its namesakes, which stays outside the title marks: 《活着》（小说）.
QUALIFIED_TITLE = r"^(.*?)(（[^（）]*）)?$"
# Kinds of subject whose names Chinese writes in title marks.
TITLED = frozenset({"book", "film", "game", "magazine", "music", "newspaper", "novel", "opera"}
                   | {"painting", "play", "poem", "song", "tv", "work"})  # fmt: skip

GENERIC_STATEMENTS: dict[Language, tuple[str, ...]] = {
    "zh": ("{s}的{p}是{o}", "{s}的{p}为{o}", "{o}是{s}的{p}"),
    "en": ("The {p} of {s} is {o}", "{o} is the {p} of {s}"),
}
# The phrase that a refusal names, and the fixed form of an answer (the article's ablation).
TOPICS: dict[Language, str] = {"zh": "{s}的{p}", "en": "the {p} of {s}"}
FIXED_FORMS: dict[Language, str] = {"zh": "{s}的{p}是{o}", "en": "The {p} of {s} is {o}"}


class RelationError(UserError):
    """A relation catalogue is missing, malformed or contradicts itself."""


class Relation(BaseModel):
    """One relation: its names in every graph we read, and its wordings in both languages.

    Wordings hold ``{s}`` where the subject goes and, in statements, ``{o}`` where the object goes.
    ``zh_questions[0]`` is the article's form 「S的P是?」, the main text of a question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    wikidata: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    answer: AnswerType = "term"
    values: Values = "one"
    subject: str = "thing"
    # Subjects in whose name the pattern is found have another relation for it, by its id.
    variants: dict[str, str] = {}
    value_pattern: str = ""  # a value of an open graph in which it is not found is none (RE2)
    zh_questions: tuple[str, ...] = Field(min_length=1)
    en_questions: tuple[str, ...] = Field(min_length=1)
    zh_statements: tuple[str, ...] = Field(min_length=1)
    en_statements: tuple[str, ...] = Field(min_length=1)
    generic: bool = False  # no catalogue knows it: its wordings were made from its name

    @field_validator("value_pattern")
    @classmethod
    def _pattern_is_one(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        return pattern

    @field_validator("zh_questions", "en_questions")
    @classmethod
    def _questions_name_the_subject(cls, wordings: tuple[str, ...]) -> tuple[str, ...]:
        for wording in wordings:
            if SUBJECT not in wording or OBJECT in wording:
                raise ValueError(f"{wording!r} must contain {SUBJECT} and not {OBJECT}")
        return wordings

    @field_validator("zh_statements", "en_statements")
    @classmethod
    def _statements_name_both(cls, wordings: tuple[str, ...]) -> tuple[str, ...]:
        for wording in wordings:
            if SUBJECT not in wording or OBJECT not in wording:
                raise ValueError(f"{wording!r} must contain {SUBJECT} and {OBJECT}")
        return wordings

    def name(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en

    def questions(self, language: Language) -> tuple[str, ...]:
        return self.zh_questions if language == "zh" else self.en_questions

    def statements(self, language: Language) -> tuple[str, ...]:
        return self.zh_statements if language == "zh" else self.en_statements

    @property
    def titled(self) -> bool:
        """Whether Chinese writes its subjects in title marks: 《红楼梦》."""
        return self.subject in TITLED

    def has_name(self, language: Language) -> bool:
        """Whether its name is in that language; a generic one may have been made from the other."""
        return not self.generic or (HAN.search(self.name(language)) is not None) == (
            language == "zh"
        )

    def written(self, subject: str, language: Language) -> str:
        """The subject as the wordings take it: in title marks where Chinese wants them."""
        if language == "zh" and self.titled and "《" not in subject:
            return re.sub(QUALIFIED_TITLE, r"《\1》\2", subject, count=1)
        return subject

    def topic(self, subject: str, language: Language) -> str:
        """「S的P」 or "the P of S": what a refusal says it does not know."""
        return fill(TOPICS[language], s=self.written(subject, language), p=self.name(language))

    def fixed_form(self, subject: str, answer: str, language: Language) -> str:
        """「S的P是O」: the one wording of an answer that the article's ablation uses."""
        written = self.written(subject, language)
        return fill(FIXED_FORMS[language], s=written, p=self.name(language), o=answer)


def fill(wording: str, **parts: str) -> str:
    """Put the parts into a wording. Unlike str.format it leaves other braces alone."""
    for key, value in parts.items():
        wording = wording.replace("{" + key + "}", value)
    return wording


class Kind(NamedTuple):
    """How relations are asked whose name matches: 什么时候 after …日期, 谁 after …者."""

    answer: AnswerType
    pattern: str
    zh_questions: list[str]
    en_questions: list[str]


@cache
def generic_kinds() -> tuple[Kind, ...]:
    text = files("kg_builder").joinpath("data/generic.toml").read_text(encoding="utf-8")
    return tuple(Kind(**one) for one in tomllib.loads(text)["kind"])


def generic_relation(
    name: str, en: str | None = None, like: Relation | None = None, answer: AnswerType | None = None
) -> Relation:
    """A relation asked in its own name: for properties that no catalogue knows.

    ``like``: a relation of the catalogue that has the name among its other names. What it says of
    answers and subjects holds, but not its words: who founded a company (建立者) is no 开国君主.
    ``answer``: the type of the answer where the name alone would mislead.
    """
    english = en or name
    answer = like.answer if like else answer
    kinds = [
        one
        for one in generic_kinds()
        if (one.answer == answer if answer else re.search(one.pattern, name, re.IGNORECASE))
    ]
    kind = kinds[0] if kinds else generic_kinds()[-1]
    held = like or _UNLIKE

    def worded(wordings: Sequence[str], named: str) -> tuple[str, ...]:
        return tuple(fill(wording, p=named) for wording in wordings)

    return Relation(
        id=name,
        zh=name,
        en=english,
        answer=answer or kind.answer,
        values=held.values,
        subject=held.subject,
        value_pattern=held.value_pattern,
        zh_questions=worded(kind.zh_questions, name),
        en_questions=worded(kind.en_questions, english),
        zh_statements=worded(GENERIC_STATEMENTS["zh"], name),
        en_statements=worded(GENERIC_STATEMENTS["en"], english),
        generic=True,
    )


_UNLIKE = Relation(
    id="-", zh="-", en="-", values="many",
    zh_questions=("{s}?",), en_questions=("{s}?",), zh_statements=("{s}{o}",), en_statements=("{s} {o}",),
)  # fmt: skip


class Catalogue:
    """Relations in the order of their files, found by any of their names.

    ``id`` and ``zh`` are unique over all files. Another name or a property id may be claimed by
    several relations (作者 of a book, of a song): the one that was loaded first has it.
    """

    def __init__(self, relations: Iterable[Relation] = ()) -> None:
        self._by_id: dict[str, Relation] = {}
        self._by_zh: dict[str, Relation] = {}
        for relation in relations:
            for kind, key, index in (
                ("id", relation.id, self._by_id),
                ("zh", relation.zh, self._by_zh),
            ):
                if key in index:
                    raise RelationError(
                        f"Relation {relation.id!r}: {kind} {key!r} is taken by relation "
                        f"{index[key].id!r}. Rename one of them or drop the second."
                    )
                index[key] = relation

    @classmethod
    def load(cls, paths: Sequence[Path] | None = None) -> Catalogue:
        """Read TOML files, or the built-in catalogue where no paths are given."""
        relations: list[Relation] = []
        for path in builtin_paths() if paths is None else paths:
            relations.extend(read_relations(path))
        return cls(relations)

    def __iter__(self) -> Iterator[Relation]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, relation_id: str) -> bool:
        return relation_id in self._by_id

    def __getitem__(self, relation_id: str) -> Relation:
        """The relation of that id; KeyError where there is none."""
        return self._by_id[relation_id]

    @cached_property
    def _by_name(self) -> dict[str, Relation]:
        index: dict[str, Relation] = {}
        # Ids of all relations go before the Chinese names of any, these before English names, and
        # all of them before other names: a column 作者 is the relation called 作者, whoever else
        # lists it as another name.
        by_rank: tuple[Callable[[Relation], tuple[str, ...]], ...] = (
            lambda one: (one.id,),
            lambda one: (one.zh,),
            lambda one: (one.en,),
            lambda one: (*one.names, *one.wikidata),
        )
        for names_of in by_rank:
            for relation in self:
                for name in names_of(relation):
                    index.setdefault(_key(name), relation)
        return index

    def find(self, name: str) -> Relation | None:
        """By id, Chinese or English name, other name or Wikidata property id (case-insensitive)."""
        return self._by_name.get(_key(name))

    def resolve(self, name: str) -> Relation:
        """The relation of that name, or a generic one worded from the name itself."""
        return self._by_id.get(name) or self.find(name) or generic_relation(name)


def builtin_paths() -> list[Path]:
    folder = Path(str(files("kg_builder"))) / "data" / "relations"
    return sorted(folder.glob("*.toml"))


def read_relations(path: Path) -> list[Relation]:
    """The relations of one TOML file. All its faults are told at once."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RelationError(f"{path}: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise RelationError(
            f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8."
        ) from error
    try:
        entries = tomllib.loads(text).get("relation", [])
    except tomllib.TOMLDecodeError as error:
        raise RelationError(f"{path}: not TOML ({error}).") from error
    if not isinstance(entries, list) or not entries:
        raise RelationError(f"{path}: no [[relation]] in it. See kg_builder/data/README.md.")
    relations, faults = [], []
    for number, entry in enumerate(entries, 1):
        try:
            relations.append(Relation.model_validate(entry))
        except ValidationError as error:
            label = entry.get("id", f"number {number}") if isinstance(entry, dict) else number
            for fault in error.errors():
                place = ".".join(str(part) for part in fault["loc"])
                faults.append(f"  relation {label}: {place}: {fault['msg']}")
    if faults:
        raise RelationError(f"{path} has {len(faults)} fault(s):\n" + "\n".join(faults))
    return relations


def _key(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()
