"""Facts: values rubbed, lists cut, faults counted, objects joined with their names."""

from __future__ import annotations

import pyarrow as pa

from kg_builder.bulk.names import RESERVED
from kg_builder.bulk.store import Store
from kg_builder.cleaning import HAN_SQL, fault_sql, quoted, rub_sql, rules
from kg_builder.literals import read_literal
from kg_builder.splits import PRECEDENCE

NOT_OF_TYPE = "not of the kind asked for"
DUPLICATE = "the same fact again: merged"
# A list with more values than this is no answer to a question, and a table in disguise.
MAX_VALUES = 20
LITERAL_SCHEMA = pa.schema(
    [
        ("o", pa.string()),
        ("answer", pa.string()),
        ("key", pa.string()),
        ("zh", pa.string()),
        ("en", pa.string()),
    ]
)
LITERAL_BATCH = 100_000


def account_rows(store: Store) -> None:
    """Fill ``dropped`` with the rows that no value is taken from, by reason, with samples."""
    store.con.execute(
        "CREATE TABLE dropped (stage VARCHAR, reason VARCHAR, n BIGINT, samples VARCHAR[])"
    )
    store.con.execute(
        f"""
        INSERT INTO dropped
        SELECT 'rows', reason, count(*), min(left(s, 60) || ' | ' || p || ' | ' || left(o, 80), 5)
        FROM (
            SELECT raw.s, raw.p, raw.o, coalesce(relation.reason, subject.fault) AS reason
            FROM raw JOIN relation USING (p) JOIN subject USING (s)
            WHERE raw.p NOT IN {RESERVED}
        ) WHERE reason IS NOT NULL GROUP BY reason
        """
    )


def take_values(store: Store) -> None:
    """Fill ``value``: one row per value of a row that is asked about, lists cut, with its fault."""
    strong, weak = rules().list_separators, rules().weak_separators
    blanks = rules().person_separators
    any_mark = quoted(f"{strong}|{blanks}")
    aside = f"regexp_replace(o, {quoted(rules().aside)}, '\\1')"
    pattern_fault = _pattern_fault(store)
    store.con.execute(
        f"""
        CREATE TABLE value AS
        WITH rubbed AS (
            SELECT subject.id, subject.bucket, relation.rel, relation.answer, relation.named,
                raw.ref, raw.zh, raw.en, raw.n, subject.trusted,
                raw.ref OR subject.trusted OR raw.zh IS NOT NULL OR raw.en IS NOT NULL AS fixed,
                CASE WHEN raw.ref OR subject.trusted THEN raw.o ELSE {rub_sql("raw.o")} END AS o
            FROM raw JOIN relation USING (p) JOIN subject USING (s)
            WHERE relation.role = 'ask' AND subject.fault IS NULL
        ), cut AS (
            SELECT * EXCLUDE (o),
                CASE WHEN fixed OR NOT regexp_matches(o, {any_mark}) THEN [o]
                    WHEN answer = 'person' AND NOT regexp_matches(o, '[0-9A-Za-z]')
                        THEN str_split_regex(o, {quoted(f"{strong}|{blanks}")})
                    WHEN named AND NOT regexp_matches(o, '[0-9A-Za-z]')
                        THEN str_split_regex(o, {quoted(f"{strong}|{weak}")})
                    ELSE str_split_regex(o, {quoted(strong)}) END AS pieces
            FROM rubbed
        ), single AS (
            SELECT * EXCLUDE (o), CASE WHEN fixed OR answer IN ('date', 'number')
                OR NOT contains_bracket THEN o ELSE {aside} END AS o
            FROM (
                SELECT * EXCLUDE (pieces, n), unnest(pieces) AS o,
                    n + unnest(range(len(pieces)))::INTEGER AS n,
                    regexp_matches(o, '[)）]$') AS contains_bracket
                FROM cut WHERE len(pieces) <= {MAX_VALUES}
            )
        )
        SELECT * EXCLUDE (contains_bracket),
            CASE WHEN ref OR trusted THEN NULL
                WHEN answer IN ('date', 'number') AND NOT fixed THEN {pattern_fault}
                ELSE coalesce({fault_sql("o", rules().value_faults)}, {_type_fault()},
                    {pattern_fault}) END AS fault
        FROM single WHERE o <> ''
        """
    )


def _type_fault() -> str:
    cases = " ".join(
        f"WHEN answer = {quoted(answer)} AND regexp_matches(o, {quoted(pattern)})"
        f" THEN {quoted(NOT_OF_TYPE)}"
        for answer, pattern in rules().type_faults
    )
    return f"CASE {cases} END"


def _pattern_fault(store: Store) -> str:
    """What the relations themselves say of their values (Relation.value_pattern)."""
    wanted = store.con.execute(
        "SELECT DISTINCT rel, value_pattern FROM relation"
        " WHERE role = 'ask' AND value_pattern <> '' ORDER BY ALL"
    ).fetchall()
    cases = " ".join(
        f"WHEN rel = {quoted(rel)} AND NOT regexp_matches(o, {quoted(pattern)})"
        f" THEN {quoted(NOT_OF_TYPE)}"
        for rel, pattern in wanted
    )
    return f"CASE {cases} END" if cases else "NULL"


def read_literals(store: Store) -> None:
    """Fill ``literal``: distinct dates and numbers, read in Python, which knows their forms."""
    store.con.execute(
        "CREATE TABLE literal (o VARCHAR, answer VARCHAR, key VARCHAR, zh VARCHAR, en VARCHAR)"
    )
    texts = store.con.cursor().execute(
        "SELECT DISTINCT o, answer FROM value WHERE answer IN ('date', 'number') AND NOT fixed"
    )
    while batch := texts.fetchmany(LITERAL_BATCH):
        columns: list[list[str | None]] = [[], [], [], [], []]
        for text, answer in batch:
            found = read_literal(text, answer)
            if found is not None:
                for column, item in zip(columns, (text, answer, *found), strict=True):
                    column.append(item)
        incoming = pa.Table.from_arrays(
            [pa.array(column, pa.string()) for column in columns], schema=LITERAL_SCHEMA
        )
        store.con.register("incoming", incoming)
        store.con.execute("INSERT INTO literal SELECT * FROM incoming")
        store.con.unregister("incoming")


def name_objects(store: Store, parts: int) -> None:
    """Fill ``object``: every distinct object of every fact, with its names in both languages.

    A text that is the only name of one entity stands for that entity.
    """
    con = store.con
    con.execute(
        """
        CREATE TEMP TABLE known AS
        SELECT name, min(id) AS oid FROM (
            SELECT DISTINCT id, unnest([zh_bare, en_bare, zh]) AS name FROM subject
            WHERE fault IS NULL
        ) WHERE name IS NOT NULL GROUP BY name HAVING count(*) = 1
        """
    )
    con.execute(
        """
        CREATE TEMP TABLE entity AS
        SELECT id, min(zh_bare) AS zh_bare, min(en_bare) AS en_bare FROM subject GROUP BY id
        """
    )
    con.execute(
        """
        CREATE TEMP TABLE merged AS
        WITH keyed AS (
            SELECT value.id, value.bucket, value.rel, value.ref, value.fixed, value.n, value.answer,
                value.o, coalesce(value.zh, literal.zh) AS zh, coalesce(value.en, literal.en) AS en,
                coalesce(literal.key, CASE WHEN fixed THEN value.o ELSE lower(value.o) END) AS key
            FROM value LEFT JOIN literal USING (o, answer)
            WHERE value.fault IS NULL
                AND (fixed OR value.answer NOT IN ('date', 'number') OR literal.key IS NOT NULL)
        )
        SELECT id, rel, key, any_value(bucket) AS bucket, min(o) AS o, bool_or(ref) AS ref,
            min(zh) AS zh, min(en) AS en,
            bool_or(fixed) AS fixed, min(n) AS n, min(answer) AS answer, count(*) AS copies
        FROM keyed GROUP BY id, rel, key
        """
    )
    con.execute(
        f"""
        CREATE TABLE object AS
        WITH joined AS (
            SELECT merged.*,
                CASE WHEN ref THEN o WHEN answer NOT IN ('date', 'number') THEN known.oid END AS oid
            FROM merged LEFT JOIN known ON known.name = merged.o AND NOT merged.ref
        )
        SELECT joined.id, rel, key, oid, n, copies,
            (joined.bucket % {parts})::USMALLINT AS part,
            coalesce(joined.zh, CASE WHEN ref THEN entity.zh_bare
                WHEN joined.en IS NULL OR entity.zh_bare IS NULL THEN
                    CASE WHEN joined.en IS NULL THEN o END ELSE entity.zh_bare END) AS zh,
            coalesce(joined.en, CASE WHEN ref THEN entity.en_bare
                WHEN NOT fixed AND NOT regexp_matches(o, {HAN_SQL}) THEN o
                ELSE entity.en_bare END) AS en,
            nullif(list_filter([entity.zh_bare], lambda x: x IS NOT NULL)
                || coalesce(zh_names, []), []) AS zh_more,
            nullif(list_filter([entity.en_bare], lambda x: x IS NOT NULL)
                || coalesce(en_names, []), []) AS en_more
        FROM joined
        LEFT JOIN entity ON entity.id = joined.oid
        LEFT JOIN alias ON alias.id = joined.oid
        """
    )
    for table in ("known", "entity", "merged"):
        con.execute(f"DROP TABLE {table}")


def account_values(store: Store) -> None:
    """Add to ``dropped`` the values with a fault, and the repetitions that were merged."""
    sample = "min(left(id, 60) || ' | ' || rel || ' | ' || left(o, 80), 5)"
    store.con.execute(
        f"""
        INSERT INTO dropped
        SELECT 'values', reason, count(*), {sample} FROM (
            SELECT id, rel, value.o,
                coalesce(fault, CASE WHEN NOT fixed AND value.answer IN ('date', 'number')
                    AND literal.key IS NULL THEN {quoted(NOT_OF_TYPE)} END) AS reason
            FROM value LEFT JOIN literal USING (o, answer)
        ) WHERE reason IS NOT NULL GROUP BY reason
        """
    )
    merged = int(store.one("SELECT coalesce(sum(copies - 1), 0) FROM object")[0])
    if merged:
        store.con.execute(
            "INSERT INTO dropped SELECT 'values', ?, ?, min(id || ' | ' || rel || ' | ' || key, 5)"
            " FROM object WHERE copies > 1",
            [DUPLICATE, merged],
        )


def find_leaks(store: Store) -> None:
    """Fill ``leak``: pairs of ids whose reverse is in a split that goes first. See splits.py."""
    ranks = " ".join(f"WHEN {quoted(split)} THEN {rank}" for split, rank in PRECEDENCE.items())
    store.con.execute(
        f"""
        CREATE TABLE leak AS
        WITH pairs AS (SELECT DISTINCT id, oid FROM object WHERE oid IS NOT NULL),
        ranked AS (SELECT DISTINCT id, CASE split {ranks} END AS rank FROM subject)
        SELECT one.id, one.oid FROM pairs AS one
        JOIN pairs AS other ON other.id = one.oid AND other.oid = one.id
        JOIN ranked AS a ON a.id = one.id JOIN ranked AS b ON b.id = one.oid
        WHERE a.rank < b.rank
        """
    )


def rate_subjects(store: Store) -> None:
    """Fill ``rating``: the popularity of each id, by its source or by how often it is mentioned."""
    store.con.execute(
        """
        CREATE TABLE rating AS
        WITH mentions AS (SELECT oid AS id, sum(copies) AS n FROM object WHERE oid IS NOT NULL
            GROUP BY oid)
        SELECT id, min(zh) AS zh, min(en) AS en,
            bool_or(zh_ambiguous) AS zh_ambiguous, bool_or(en_ambiguous) AS en_ambiguous,
            min(split) AS split, min(source) AS source, NOT bool_or(ids OR trusted) AS open,
            CASE WHEN bool_or(rated) THEN max(popularity)
                ELSE (sum(degree) + coalesce(min(mentions.n), 0))::DOUBLE END AS popularity
        FROM subject LEFT JOIN mentions USING (id) WHERE fault IS NULL GROUP BY id
        """
    )
