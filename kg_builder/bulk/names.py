"""Names: which subjects there are, what they are called, and their other names."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from kg_builder.bulk.script import traditional_ideographs
from kg_builder.bulk.store import Store
from kg_builder.cleaning import HAN_SQL, fault_sql, quoted, rub_sql, rules
from kg_builder.graph import embedded_paths
from kg_builder.literals import HAN
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY
from kg_builder.sources.tables import split_cell
from kg_builder.sources.terms import readable_tail
from kg_builder.splits import Shares, split_salt

RESERVED = "(" + ", ".join(quoted(one) for one in (LABEL, ALIAS, DESCRIPTION, POPULARITY)) + ")"
MAX_DESCRIPTION = {"zh": 16, "en": 48}  # characters; a longer one tells too much of the answer
MAX_NAMES = 12
MOST_TRADITIONAL = (
    0.2  # of the names; in a graph with more of them it is what the graph is written in
)

IRI_SCHEMA = pa.schema(
    [("src", pa.uint8()), ("s", pa.string()), ("zh", pa.string()), ("en", pa.string())]
)


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
