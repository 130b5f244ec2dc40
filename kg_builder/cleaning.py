"""Cleaning: what is rubbed off a value, and what cannot be part of a fair question.

The rules are data (data/cleaning.toml), in a dialect that Python's ``re`` and DuckDB's RE2 read
alike, so that one list serves the graph in memory and the one that is not; a test compares them.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

# literals.HAN for DuckDB.
HAN_SQL = r"'[\x{3400}-\x{9fff}\x{f900}-\x{faff}\x{20000}-\x{3134f}〇]'"


class Rub(NamedTuple):
    """Everywhere it matches, the text becomes the replacement."""

    pattern: str
    replacement: str


class Fault(NamedTuple):
    """A text in which the pattern is found is dropped for this reason."""

    reason: str
    pattern: str


class Shape(NamedTuple):
    """A name is no subject of those kinds where ``must`` is not found in it, or ``never`` is.

    ``namesakes``: not for what it is called, but because others are called so too.
    """

    kinds: list[str]
    reason: str
    must: str = ""
    never: str = ""
    namesakes: bool = False


class Rules(NamedTuple):
    worth_rubbing: str
    rubs: tuple[Rub, ...]
    value_faults: tuple[Fault, ...]
    subject_faults: tuple[Fault, ...]
    type_faults: tuple[tuple[str, str], ...]  # answer type, pattern
    common_name: Fault
    qualified: str
    list_separators: str
    weak_separators: str
    person_separators: str
    aside: str
    common_title: Fault
    subject_shapes: tuple[Shape, ...]
    measures: str
    kinds: dict[str, list[str]]


@cache
def rules() -> Rules:
    data = tomllib.loads(
        files("kg_builder").joinpath("data/cleaning.toml").read_text(encoding="utf-8")
    )
    return Rules(
        worth_rubbing=data["worth_rubbing"],
        rubs=tuple(Rub(one["pattern"], one["replacement"]) for one in data["rub"]),
        value_faults=tuple(Fault(**one) for one in data["value_fault"]),
        subject_faults=tuple(Fault(**one) for one in data["subject_fault"]),
        type_faults=tuple((one["answer"], one["pattern"]) for one in data["type_fault"]),
        common_name=Fault(**data["common_name"]),
        qualified=data["qualified"],
        list_separators=data["list_separators"],
        weak_separators=data["weak_separators"],
        person_separators=data["person_separators"],
        aside=data["aside"],
        common_title=Fault(**data["common_title"]),
        measures=data["measures"],
        kinds=data["kinds"],
        subject_shapes=tuple(Shape(**one) for one in data["subject_shape"]),
    )


def rub(text: str) -> str:
    """The text without mark-up, references, stray blanks and end punctuation."""
    if not _compiled(rules().worth_rubbing).search(text):
        return text
    for pattern, replacement in rules().rubs:
        text = _compiled(pattern).sub(replacement, text)
    return text


def fault(text: str, faults: tuple[Fault, ...]) -> str | None:
    """Why a (rubbed) text is dropped, or None."""
    return next((reason for reason, one in faults if _compiled(one).search(text)), None)


def rub_sql(column: str) -> str:
    """``rub`` as a DuckDB expression."""
    text = column
    for pattern, replacement in rules().rubs:
        text = f"regexp_replace({text}, {quoted(pattern)}, {quoted(replacement)}, 'g')"
    worth = f"regexp_matches({column}, {quoted(rules().worth_rubbing)})"
    return f"CASE WHEN {worth} THEN {text} ELSE {column} END"


def fault_sql(column: str, faults: tuple[Fault, ...]) -> str:
    """``fault`` as a DuckDB expression: the reason or NULL."""
    # One pass with all patterns at once settles the many texts that have no fault.
    anything = "|".join(f"(?:{pattern})" for _, pattern in faults)
    cases = " ".join(
        f"WHEN regexp_matches({column}, {quoted(pattern)}) THEN {quoted(reason)}"
        for reason, pattern in faults
    )
    none = f"NOT regexp_matches({column}, {quoted(anything)})"
    return f"CASE WHEN {none} THEN NULL ELSE CASE {cases} END END"


def quoted(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    r"""Python's spelling of a rule: \x{hex} as a character; \pP and \pS as neither letter nor digit."""
    text = re.sub(r"\\x\{([0-9a-f]+)\}", lambda found: re.escape(chr(int(found[1], 16))), pattern)
    return re.compile(text.replace(r"\pP\pS", r"\W_").replace(r"\pP", r"\W_"))


@cache
def _unasked() -> tuple[Fault, ...]:
    return tuple(Fault(**one) for one in _unasked_data()["rule"])


@cache
def _unasked_data() -> dict[str, Any]:
    text = files("kg_builder").joinpath("data/unasked.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def alias_relations() -> frozenset[str]:
    """Lower-case names of relations whose values are other names of the subject."""
    return frozenset(name.casefold() for name in _unasked_data()["aliases"]["names"])


@cache
def vague_relations() -> frozenset[str]:
    """Names that mean one thing in our own tables and many in an open graph."""
    return frozenset(_unasked_data()["vague"]["names"])


@cache
def own_words() -> frozenset[str]:
    """Names of ours that sources use of other things as well: asked in no words but the name."""
    return frozenset(_unasked_data()["own_word"]["names"])


def unasked(relation_name: str) -> str | None:
    """Why nobody is asked about relations of that name, or None."""
    return fault(relation_name, _unasked())


def relation_name(raw: str) -> str:
    """A relation's name without blanks inside Chinese words, references and end punctuation."""
    text = rub(raw)
    return re.sub(r"(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])", "", text).lstrip("•·-－— ")
