"""Names: which relations are asked and how, which subjects there are and what they are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from kg_builder.asking import CHANGING
from kg_builder.bulk.store import Store
from kg_builder.cleaning import (
    HAN_SQL,
    alias_relations,
    fault_sql,
    quoted,
    relation_name,
    rub_sql,
    rules,
    unasked,
    vague_relations,
)
from kg_builder.literals import HAN
from kg_builder.relation import Catalogue, Relation, generic_relation
from kg_builder.settings import Unknown
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY
from kg_builder.sources.terms import readable_tail
from kg_builder.splits import Shares, split_salt

UNKNOWN = "relation: not in the catalogue"
UNTYPED = "relation: its name does not say what is asked for"
VAGUE = "relation: its name may mean several things"
ALIASES = "used as another name of the subject"
RESERVED = "(" + ", ".join(quoted(one) for one in (LABEL, ALIAS, DESCRIPTION, POPULARITY)) + ")"
MAX_DESCRIPTION = {"zh": 16, "en": 48}  # characters; a longer one tells too much of the answer
MAX_NAMES = 12

IRI_SCHEMA = pa.schema(
    [("src", pa.uint8()), ("s", pa.string()), ("zh", pa.string()), ("en", pa.string())]
)
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
        ("one", pa.bool_()),  # has one value: several from several rows contradict each other
        ("named", pa.bool_()),  # values are names: lists may be cut at commas
        ("titled", pa.bool_()),
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
    own: frozenset[str] = frozenset()  # ids of the user's own relations: their names mean these


def name_relations(store: Store, catalogue: Catalogue, policy: RelationPolicy) -> None:
    """Fill ``relation``: one row per property that occurs, with what is to be done with it."""
    found = store.con.execute(
        f"""
        SELECT p, max(source.trusted), max(label.zh), max(label.en)
        FROM (SELECT p, src FROM raw WHERE p NOT IN {RESERVED} GROUP BY ALL)
        JOIN source USING (src)
        LEFT JOIN (SELECT s, zh, en FROM raw WHERE p = {quoted(LABEL)}) AS label ON label.s = p
        GROUP BY p ORDER BY p
        """
    ).fetchall()
    places = {relation.id: place for place, relation in enumerate(catalogue)}
    judged = [
        (p, bool(trusted), *judge(p, zh, en, bool(trusted), catalogue, policy))
        for p, trusted, zh, en in found
    ]
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
                "one": relation.values == "one" and not relation.generic,
                "named": relation.answer in ("person", "place", "organization", "language")
                and not trusted,
                "titled": relation.titled,
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
    store.con.unregister("incoming")


def judge(
    p: str,
    zh: str | None,
    en: str | None,
    trusted: bool,
    catalogue: Catalogue,
    policy: RelationPolicy,
) -> tuple[Relation, str, str | None]:
    """The relation of a property, its role (ask, alias, drop) and the reason for dropping it."""
    tail = (readable_tail(p) or p.rsplit("/", 1)[-1].rsplit("#", 1)[-1]) if ":" in p else p
    worded = _WORD_START.sub(" ", tail).lower() if tail.isascii() else tail  # birthDate
    en = en or (worded if worded != tail and ":" in p else None)
    called = [name for name in (p, tail, zh, en, relation_name(p)) if name]
    known = next((found for name in called if (found := catalogue.find(name))), None)
    name = zh or relation_name(worded)
    generic = generic_relation(name or p, en)
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
    if known is not None:
        left_out = _left_out(known, policy)
        return known, "drop" if left_out else "ask", CHANGING if left_out else None
    if policy.unknown == "none":
        return generic, "drop", UNKNOWN
    if reason := unasked(name):
        return generic, "drop", reason
    if policy.unknown == "typed" and generic.answer == "term":
        return generic, "drop", UNTYPED
    return generic, "ask", None


def _left_out(relation: Relation, policy: RelationPolicy) -> bool:
    return relation.values == "changing" and not policy.include_changing


def name_subjects(store: Store, shares: Shares, seed: int, strict_names: bool) -> None:
    """Fill ``subject``: what each raw name or id stands for, how it is shown, its split; and ``entity``: the
    ids in order, numbered (``sid``), those that are only referred to among them.

    Names of one bare form that stand for several things are marked ambiguous per language, unless
    a qualifier or a short description tells them apart.
    """
    faults = (*rules().subject_faults, *((rules().common_name,) if strict_names else ()))
    con = store.con
    _name_iris(store)
    con.execute(
        f"""
        CREATE TEMP TABLE told AS
        SELECT s,
            min(zh) FILTER (p = {quoted(LABEL)}) AS zh, min(en) FILTER (p = {quoted(LABEL)}) AS en,
            min(zh) FILTER (p = {quoted(DESCRIPTION)}) AS zh_more,
            min(en) FILTER (p = {quoted(DESCRIPTION)}) AS en_more,
            max(try_cast(o AS DOUBLE)) FILTER (p = {quoted(POPULARITY)}) AS popularity
        FROM raw WHERE p IN {RESERVED} GROUP BY s
        """
    )
    con.execute(
        f"""
        CREATE TEMP TABLE named AS
        WITH every AS (
            SELECT s, min(src) AS src, count(*) FILTER (p NOT IN {RESERVED}) AS degree
            FROM raw GROUP BY s
        ), rubbed AS (
            SELECT s, degree, ids, trusted, rated, told.* EXCLUDE (s), source.name AS source,
                CASE WHEN ids OR trusted THEN s ELSE {rub_sql("s")} END AS text
            FROM every JOIN source USING (src) LEFT JOIN told USING (s)
        ), cut AS (
            SELECT *, CASE WHEN ids OR trusted OR NOT ends_bracketed THEN NULL
                ELSE regexp_extract(text, {quoted(rules().qualified)}, ['bare', 'more']) END AS parts
            FROM (SELECT *, right(text, 1) IN (']', ')', '）', '】') AS ends_bracketed FROM rubbed)
        )
        SELECT s, degree, ids, trusted, rated, source, popularity,
            CASE WHEN coalesce(parts.bare, '') = '' THEN text
                ELSE parts.bare || '（' || parts.more || '）' END AS id,
            CASE WHEN trusted THEN zh WHEN ids THEN {rub_sql("zh")}
                WHEN parts.bare <> '' THEN parts.bare ELSE text END AS bare,
            CASE WHEN ids OR trusted THEN zh_more ELSE nullif(parts.more, '') END AS zh_more,
            en_more, CASE WHEN trusted THEN en ELSE {rub_sql("en")} END AS en
        FROM cut
        """
    )
    con.execute(
        f"""
        CREATE TEMP TABLE both_names AS
        SELECT *, bare AS zh_bare,
            CASE WHEN en IS NULL AND NOT ids AND NOT regexp_matches(bare, {HAN_SQL})
                THEN bare ELSE en END AS en_bare
        FROM named
        """
    )
    con.execute(
        """
        CREATE TABLE entity AS
        SELECT id, (row_number() OVER (ORDER BY id) - 1)::INTEGER AS sid
        FROM (SELECT id FROM both_names UNION SELECT o FROM raw WHERE ref)
        """
    )
    for language in ("zh", "en"):
        con.execute(
            f"""
            CREATE TEMP TABLE {language}_shared AS
            SELECT name FROM (SELECT DISTINCT id, {language}_bare AS name FROM both_names)
            WHERE name IS NOT NULL GROUP BY name HAVING count(*) > 1
            """
        )
    con.execute(
        f"""
        CREATE TABLE subject AS
        SELECT s, id, ids, trusted, source, degree, zh_bare, en_bare,
            {_shown("zh", "（", "）")} AS zh, {_shown("en", " (", ")")} AS en,
            z.name IS NOT NULL AND zh_more IS NULL AS zh_ambiguous,
            e.name IS NOT NULL AND {_more("en")} IS NULL AS en_ambiguous,
            CASE WHEN trusted THEN NULL
                WHEN ids AND coalesce(zh_bare, en_bare) IS NULL THEN NULL
                WHEN ids OR zh_more IS NOT NULL
                    THEN {fault_sql("coalesce(zh_bare, en_bare)", rules().subject_faults)}
                ELSE {fault_sql("coalesce(zh_bare, en_bare)", faults)} END AS fault,
            CASE WHEN trusted OR rated THEN popularity END AS popularity,
            trusted OR rated AS rated,
            {split_sql("id", shares, seed)} AS split, sid
        FROM both_names JOIN entity USING (id)
        LEFT JOIN zh_shared AS z ON z.name = zh_bare
        LEFT JOIN en_shared AS e ON e.name = en_bare
        """
    )
    for table in ("told", "named", "both_names", "zh_shared", "en_shared"):
        con.execute(f"DROP TABLE {table}")


def _name_iris(store: Store) -> None:
    """Label the IRIs that no row labels by what they spell, percent-encoded or with _ for blanks."""
    found = store.con.execute(
        f"""
        SELECT min(src), id FROM (
            SELECT src, s AS id FROM raw UNION SELECT src, o FROM raw WHERE ref
        ) WHERE starts_with(id, 'http') AND id NOT IN (SELECT s FROM raw WHERE p = {quoted(LABEL)})
        GROUP BY id ORDER BY id
        """
    ).fetchall()
    named = [(src, iri, name) for src, iri in found if (name := readable_tail(iri)) is not None]
    if not named:
        return
    sources, iris, names = zip(*named, strict=True)
    chinese = [name if HAN.search(name) else None for name in names]
    english = [None if HAN.search(name) else name for name in names]
    incoming = pa.table(
        {"src": sources, "s": iris, "zh": chinese, "en": english}, schema=IRI_SCHEMA
    )
    store.con.register("incoming", incoming)
    store.con.execute(
        f"INSERT INTO raw SELECT src, s, {quoted(LABEL)}, '', false, zh, en, 0 FROM incoming"
    )
    store.con.unregister("incoming")


def _more(language: Literal["zh", "en"]) -> str:
    """A description short enough to follow a name. Qualifiers of the source itself always are."""
    column = f"{language}_more"
    return f"CASE WHEN length({column}) <= {MAX_DESCRIPTION[language]} THEN {column} END"


def _shown(language: Literal["zh", "en"], opening: str, closing: str) -> str:
    bare, shared = f"{language}_bare", f"{language[0]}.name IS NOT NULL"
    if language == "zh":
        # A source that qualifies a name itself knows of namesakes that may not be in this graph.
        shared = f"({shared} OR NOT ids AND NOT trusted)"
    more = _more(language)
    return (
        f"CASE WHEN {shared} AND {more} IS NOT NULL"
        f" THEN {bare} || {quoted(opening)} || {more} || {quoted(closing)} ELSE {bare} END"
    )


def split_sql(column: str, shares: Shares, seed: int) -> str:
    """``splits.split_of`` as an expression."""
    salt = quoted(split_salt(seed))
    point = f"('0x' || md5({salt} || '\t' || {column})[:13])::BIGINT / {float(1 << 52)!r}"
    return (
        f"CASE WHEN {point} < {shares.train!r} THEN 'train'"
        f" WHEN {point} < {shares.train + shares.calibration!r} THEN 'calibration'"
        f" ELSE 'test' END"
    )


def name_aliases(store: Store) -> None:
    """Fill ``alias``: the other names of each id, per language, in order, a dozen at most."""
    separators = quoted(rules().list_separators)
    store.con.execute(
        f"""
        CREATE TABLE alias AS
        WITH given AS (
            SELECT subject.sid, unnest([
                {{'lang': 'zh', 'name': raw.zh, 'n': raw.n}},
                {{'lang': 'en', 'name': raw.en, 'n': raw.n}}], recursive := true)
            FROM raw JOIN subject USING (s) WHERE raw.p = {quoted(ALIAS)}
            UNION ALL
            SELECT sid, CASE WHEN regexp_matches(name, {HAN_SQL}) THEN 'zh' ELSE 'en' END, name, n
            FROM (
                SELECT subject.sid, raw.n,
                    unnest(str_split_regex({rub_sql("raw.o")}, {separators})) AS name
                FROM raw JOIN subject USING (s) JOIN relation USING (p)
                WHERE relation.role = 'alias' AND NOT raw.ref
            ) WHERE {fault_sql("name", rules().value_faults)} IS NULL
        ), once AS (
            SELECT sid, lang, trim(name) AS name, min(n) AS n FROM given
            WHERE name IS NOT NULL AND length(trim(name)) BETWEEN 1 AND 40 GROUP BY ALL
        ), placed AS (
            SELECT *, row_number() OVER (PARTITION BY sid, lang ORDER BY n, name) AS place FROM once
        )
        SELECT sid, list(name ORDER BY place) FILTER (lang = 'zh') AS zh_names,
            list(name ORDER BY place) FILTER (lang = 'en') AS en_names
        FROM placed WHERE place <= {MAX_NAMES} GROUP BY sid
        """
    )
