"""Names: which relations are asked and how, which subjects there are and what they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from kg_builder.asking import CHANGING
from kg_builder.bulk.script import traditional_ideographs
from kg_builder.bulk.store import Store
from kg_builder.cleaning import (
    HAN_SQL,
    alias_relations,
    fault_sql,
    own_words,
    quoted,
    relation_name,
    rub_sql,
    rules,
    unasked,
    vague_relations,
)
from kg_builder.graph import embedded_paths
from kg_builder.literals import HAN
from kg_builder.relation import Catalogue, Relation, generic_relation
from kg_builder.settings import Unknown
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY
from kg_builder.sources.tables import split_cell
from kg_builder.sources.terms import readable_tail
from kg_builder.splits import Shares, split_salt

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
RESERVED = "(" + ", ".join(quoted(one) for one in (LABEL, ALIAS, DESCRIPTION, POPULARITY)) + ")"
MAX_DESCRIPTION = {"zh": 16, "en": 48}  # characters; a longer one tells too much of the answer
MAX_NAMES = 12
MOST_TRADITIONAL = (
    0.2  # of the names; in a graph with more of them it is what the graph is written in
)

# Property, trusted, its relation, role, reason for dropping it.
Judged = tuple[str, bool, Relation, str, str | None]
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


def name_subjects(store: Store, shares: Shares, seed: int, strict_names: bool) -> None:
    """Fill ``subject``: what each raw name or id stands for, how it is shown, its split; and ``entity``: the
    ids in order, numbered (``sid``), those that are only referred to among them.

    Names of one bare form that stand for several things are marked ambiguous per language, unless
    a qualifier or a short description tells them apart.
    """
    faults = (*rules().subject_faults, *((rules().common_name,) if strict_names else ()))
    well_known(store)
    short = (
        f"WHEN {strict_names} AND {_is_short('zh_bare')} THEN {quoted(rules().common_name.reason)}"
    )
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
                {short}
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
    _simplify(store)


def well_known(store: Store) -> None:
    """Fill ``well_known``: names of the embedded graph, which mean one thing however short they are."""
    names: set[str] = set()
    for path in embedded_paths():
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            name, *rest = line.split("\t")
            names |= {name.strip("《》"), *split_cell(rest[1] if len(rest) > 1 else "")}
    incoming = pa.table({"name": sorted(names)})
    store.con.register("incoming", incoming)
    store.con.execute("CREATE TABLE well_known AS SELECT name FROM incoming")
    store.con.unregister("incoming")


def _is_short(column: str) -> str:
    """Whether a name is one that several things bear for its length alone, as an expression."""
    return (
        f"(length({column}) <= 2 OR regexp_matches({column}, '^[A-Za-z0-9 .-]{{1,4}}$'))"
        f" AND {column} NOT IN (SELECT name FROM well_known)"
    )


def _simplify(store: Store) -> None:
    """Names in traditional script are shown in simplified script where most of the graph is in it."""
    from opencc import OpenCC

    traditional = quoted(f"[{traditional_ideographs()}]")
    found = store.con.execute(
        f"SELECT DISTINCT zh FROM subject WHERE NOT trusted AND regexp_matches(zh, {traditional})"
    ).fetchall()
    if not found or len(found) > MOST_TRADITIONAL * store.count("subject", "zh IS NOT NULL"):
        return
    convert = OpenCC("t2s").convert
    names = [name for (name,) in found]
    incoming = pa.table({"name": names, "simple": [convert(name) for name in names]})
    store.con.register("incoming", incoming)
    store.con.execute(
        "UPDATE subject SET zh = simple FROM incoming WHERE subject.zh = incoming.name AND NOT trusted"
    )
    store.con.unregister("incoming")


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
