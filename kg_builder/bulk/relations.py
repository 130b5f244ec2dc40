"""Relations: which of them are asked, in which words, and why the others are not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from kg_builder.asking import CHANGING
from kg_builder.bulk.names import RESERVED
from kg_builder.bulk.store import Store
from kg_builder.cleaning import (
    alias_relations,
    own_words,
    quoted,
    relation_name,
    rules,
    unasked,
    vague_relations,
)
from kg_builder.literals import HAN
from kg_builder.relation import Catalogue, Relation, generic_relation
from kg_builder.settings import Unknown
from kg_builder.sources.rows import LABEL
from kg_builder.sources.terms import readable_tail

CHANGING_NAME = "relation: changes over time"
A_NAME = "relation: a name of the subject"
RARE = "relation: too rare to tell what it means"
NO_NOUN = "relation: its name is no noun"
LEAST_DIGITS = 0.5
FEWEST_ROWS = 5  # of a relation that no catalogue knows, in a large graph without ids
UNKNOWN_SUBJECT = "thing"
# What a noun ends in that stands for an answer of that type: 主办 and 剧本 name no one.
_HEADS = {
    "date": re.compile("(时间|日期|年份|年代|年月|时期|日子|日|期)$"),
    "person": re.compile(
        "(者|人|师|员|手|家|[父母夫妻子女兄弟姐妹]|导演|编剧|主编|监制|主演|作曲|作词|编曲|配音)$"
    ),
    "organization": re.compile(
        "(单位|公司|方|商|厂|社|机构|厂家|企业|集团|学校|大学|院校|频道|平台|部门|党|党派)$"
    ),
    "place": re.compile("(地|地点|国|国家|省|省份|市|州|洲|位置|源头|都|城市|最高点|区|总部)$"),
}  # fmt: skip
UNKNOWN = "relation: not in the catalogue"
UNTYPED = "relation: its name does not say what is asked for"
VAGUE = "relation: its name may mean several things"
ALIASES = "used as another name of the subject"
# Property, trusted, its relation, role, reason for dropping it.
Judged = tuple[str, bool, Relation, str, str | None]
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")

RELATION_SCHEMA = pa.schema(
    [
        ("p", pa.string()),
        ("role", pa.string()),  # ask, alias, drop
        ("reason", pa.string()),
        ("rel", pa.string()),
        ("rid", pa.int16()),  # numbers the relations in the order of ``rel``
        ("place", pa.int32()),  # order of the facts in a passage
        ("answer", pa.string()),
        ("changing", pa.bool_()),  # over time
        ("one", pa.bool_()),  # has one value: several from several rows contradict each other
        ("named", pa.bool_()),  # values are names: lists may be cut at commas
        ("measure", pa.bool_()),  # a number that says nothing without its unit
        ("titled", pa.bool_()),
        ("unknown", pa.bool_()),  # asked by nothing but its name
        ("kind", pa.string()),  # of subject
        ("value_pattern", pa.string()),
        ("zh_name", pa.string()),  # NULL where it has none in the language
        ("en_name", pa.string()),
        ("zh_questions", pa.list_(pa.string())),
        ("en_questions", pa.list_(pa.string())),
        ("zh_statements", pa.list_(pa.string())),
        ("en_statements", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class RelationPolicy:
    """What becomes of relations that no catalogue knows, and of those that change over time."""

    unknown: Unknown = "typed"
    include_changing: bool = False
    fewest: int = (
        1  # subjects of a relation that no catalogue knows, below which nobody asks for it
    )
    own: frozenset[str] = frozenset()  # ids of the user's own relations: their names mean these


def name_relations(store: Store, catalogue: Catalogue, policy: RelationPolicy) -> None:
    """Fill ``relation``: one row per property that occurs, with what is to be done with it."""
    found = store.con.execute(
        f"""
        SELECT p, max(source.trusted), max(label.zh), max(label.en),
            sum(digits) / sum(n), sum(n)::BIGINT
        FROM (
            SELECT p, src, count(*) AS n, count(*) FILTER (NOT ref AND regexp_matches(o, '[0-9]')
                OR regexp_matches(o, '^[一二三四五六七八九十百千万亿两]+')) AS digits
            FROM raw WHERE p NOT IN {RESERVED} GROUP BY ALL)
        JOIN source USING (src)
        LEFT JOIN (SELECT s, zh, en FROM raw WHERE p = {quoted(LABEL)}) AS label ON label.s = p
        GROUP BY p ORDER BY p
        """
    ).fetchall()
    places = {relation.id: place for place, relation in enumerate(catalogue)}
    judged = [
        (p, bool(trusted), *judge(p, zh, en, bool(trusted), catalogue, policy, digits, rows))
        for p, trusted, zh, en, digits, rows in found
    ]
    judged += _variants(judged, catalogue)
    numbers = {rel: rid for rid, rel in enumerate(sorted({one[2].id for one in judged}))}
    rows = []
    for p, trusted, relation, role, reason in judged:
        rows.append(
            {
                "p": p,
                "role": role,
                "reason": reason,
                "rel": relation.id,
                "rid": numbers[relation.id],
                "place": places.get(relation.id, len(places)),
                "answer": relation.answer,
                "one": relation.values == "one",
                "changing": relation.values == "changing" or reason == CHANGING_NAME,
                "named": relation.answer in ("person", "place", "organization", "language")
                and not trusted,
                "measure": relation.answer == "number"
                and not trusted
                and re.search(rules().measures, relation.zh) is not None,
                "titled": relation.titled,
                "unknown": relation.generic and relation.subject == UNKNOWN_SUBJECT,
                "kind": relation.subject,
                "value_pattern": relation.value_pattern,
                "zh_name": relation.zh if relation.has_name("zh") else None,
                "en_name": relation.en if relation.has_name("en") else None,
                "zh_questions": list(relation.zh_questions),
                "en_questions": list(relation.en_questions),
                "zh_statements": list(relation.zh_statements),
                "en_statements": list(relation.en_statements),
            }
        )
    incoming = pa.Table.from_pylist(rows, schema=RELATION_SCHEMA)
    store.con.register("incoming", incoming)
    store.con.execute("CREATE TABLE relation AS SELECT * FROM incoming")
    store.con.execute("CREATE TABLE variant (rid SMALLINT, pattern VARCHAR, other SMALLINT)")
    variants = [
        [numbers[one.id], pattern, numbers[other]]
        for one in {relation.id: relation for _, _, relation, *_ in judged}.values()
        for pattern, other in one.variants.items()
        if other in numbers
    ]
    if variants:
        store.con.executemany("INSERT INTO variant VALUES (?, ?, ?)", variants)
    store.con.unregister("incoming")


def _variants(judged: Sequence[Judged], catalogue: Catalogue) -> list[Judged]:
    """Relations that stand for another one where the subject's name says so; no row has their names."""
    asked = {one.id for _, trusted, one, role, _ in judged if role == "ask" and not trusted}
    needed = {
        other: None for one in catalogue if one.id in asked for other in one.variants.values()
    }
    return [
        (f"@{other}", False, catalogue[other], "ask", None)
        for other in needed
        if other in catalogue
    ]


def judge(
    p: str,
    zh: str | None,
    en: str | None,
    trusted: bool,
    catalogue: Catalogue,
    policy: RelationPolicy,
    digits: float = 1.0,
    rows: int = 1,
) -> tuple[Relation, str, str | None]:
    """The relation of a property, its role (ask, alias, drop) and the reason for dropping it.

    ``digits``: the share of its objects that hold a number; ``rows``: how many there are. One that is
    asked although it changes over time (policy.include_changing) has that for its reason.
    """
    tail = (readable_tail(p) or p.rsplit("/", 1)[-1].rsplit("#", 1)[-1]) if ":" in p else p
    worded = _WORD_START.sub(" ", tail).lower() if tail.isascii() else tail  # birthDate
    en = en or (worded if worded != tail and ":" in p else None)
    called = [name for name in (p, tail, zh, en, relation_name(p)) if name]
    known = next((found for name in called if (found := catalogue.find(name))), None)
    name = zh or relation_name(worded)
    generic = generic_relation(name or p, en)
    if generic.answer in ("date", "number") and digits < LEAST_DIGITS:
        # Of what its name seems to say, the objects say otherwise: locatedInArea, 主持年代.
        generic = generic_relation(name or p, en, answer="term")
    if trusted:
        role = "drop" if known and _left_out(known, policy) else "ask"
        return known or generic, role, CHANGING if role == "drop" else None
    # Names of open graphs are read as open graphs mean them; an id says exactly what is meant.
    exact = known is not None and (
        known.id in policy.own or any(one in known.wikidata or one == known.id for one in called)
    )
    if not exact and name.casefold() in alias_relations():
        return generic, "alias", ALIASES
    if not exact and name in vague_relations():
        return generic, "drop", VAGUE
    reason = unasked(name)
    if known is not None and not exact and name != known.zh and reason in (CHANGING_NAME, A_NAME):
        known = None
    if known is not None:
        left_out = _left_out(known, policy)
        if not exact and _is_word(name, known):
            known = generic_relation(name, known.en, like=known)
        return known, "drop" if left_out else "ask", CHANGING if left_out else None
    if policy.unknown == "none":
        return generic, "drop", UNKNOWN
    if reason and not (reason == CHANGING_NAME and policy.include_changing):
        return generic, "drop", reason
    if policy.unknown == "typed" and generic.answer == "term":
        return generic, "drop", UNTYPED
    if rows < policy.fewest:
        return generic, "drop", RARE
    return generic, "ask", reason


def _is_word(name: str, known: Relation) -> bool:
    """Whether a source's own name of a relation is asked by: a Chinese noun other than ours.

    Verbs (葬于) and nouns that are no word for the answer (诞辰, 剧本) are asked in our words.
    """
    if not HAN.search(name) or (name == known.zh and name not in own_words()):
        return False
    if known.answer == "work" or ((wanted := _HEADS.get(known.answer)) and not wanted.search(name)):
        return False
    return unasked(name) != NO_NOUN


def _left_out(relation: Relation, policy: RelationPolicy) -> bool:
    return relation.values == "changing" and not policy.include_changing
