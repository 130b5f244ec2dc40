"""Facts: values rubbed, lists cut, faults counted, objects joined with their names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import duckdb
import pyarrow as pa

from kg_builder.bulk.names import RESERVED
from kg_builder.bulk.parts import parts_of, within
from kg_builder.bulk.store import Store
from kg_builder.cleaning import HAN_SQL, fault_sql, quoted, rub_sql, rules
from kg_builder.literals import read_literal
from kg_builder.question import Language

LITERAL = "('date', 'number')"  # answers that are read (literals.py), and named by nothing else
NOT_OF_TYPE = "not of the kind asked for"
NO_UNIT = "a measure without its unit"
NO_UNIT_PATTERN = r"^(约|大约)?-?[0-9][0-9,.]*$"
WIDE_COMMA = r"\s*[，／]\s*"
LONGEST_PIECE = 8
# A part of a name is one that many have where so many names of the graph have it, and such a share.
# A given name stands out, besides: where names were made of a small pool, all are shared alike.
SHARED_NAMES, SHARED_SHARE, ABOVE_AVERAGE = 3, 0.0005, 2.5
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
            SELECT raw.s, raw.p, raw.o, coalesce(subject.fault, relation.reason) AS reason
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
            SELECT subject.sid, {_variant(store)} AS rid, relation.answer, relation.named,
                NOT relation.one AS many, relation.measure,
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
                    WHEN answer = 'person'
                        THEN str_split_regex(o, {quoted(f"{strong}|" + WIDE_COMMA)})
                    WHEN (named OR many AND {_short_pieces("o", weak)})
                        AND NOT regexp_matches(o, '[0-9A-Za-z]')
                        THEN str_split_regex(o, {quoted(f"{strong}|{weak}")})
                    ELSE str_split_regex(o, {quoted(strong)}) END AS pieces
            FROM rubbed
        ), single AS (
            SELECT * EXCLUDE (o), CASE WHEN fixed OR answer IN {LITERAL}
                OR NOT contains_bracket THEN o ELSE {aside} END AS o
            FROM (
                SELECT * EXCLUDE (pieces, n), unnest(pieces) AS o,
                    n + unnest(range(len(pieces)))::INTEGER AS n,
                    right(o, 1) IN (')', '）') AS contains_bracket
                FROM (SELECT * EXCLUDE (pieces),
                    CASE WHEN len(pieces) <= {MAX_VALUES} THEN pieces END AS pieces FROM cut)
            )
        )
        SELECT * EXCLUDE (contains_bracket, named, trusted, many, measure),
            CASE WHEN ref OR trusted THEN NULL
                WHEN measure AND NOT fixed AND regexp_matches(o, {quoted(NO_UNIT_PATTERN)})
                    THEN {quoted(NO_UNIT)}
                WHEN answer IN {LITERAL} AND NOT fixed THEN {pattern_fault}
                ELSE coalesce({fault_sql("o", rules().value_faults)}, {_type_fault()},
                    {pattern_fault}) END AS fault
        FROM single WHERE o <> ''
        """
    )


def _short_pieces(text: str, separators: str) -> str:
    """Whether what the separators part are words, as an expression: a comma stands in sentences too."""
    pieces = f"str_split_regex({text}, {quoted(separators)})"
    return f"list_max(list_transform({pieces}, lambda x: length(x))) <= {LONGEST_PIECE}"


def _variant(store: Store) -> str:
    """The relation of a row: of a province the 首都 is its 省会 (Relation.variants)."""
    cases = " ".join(
        f"WHEN relation.rid = {rid} AND regexp_matches(zh_bare, {quoted(pattern)}) THEN {other}"
        for rid, pattern, other in store.con.execute("SELECT * FROM variant").fetchall()
    )
    return f"CASE {cases} ELSE relation.rid END" if cases else "relation.rid"


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
        "SELECT DISTINCT rid, value_pattern FROM relation"
        " WHERE role = 'ask' AND value_pattern <> '' ORDER BY ALL"
    ).fetchall()
    cases = " ".join(
        f"WHEN rid = {rid} AND NOT regexp_matches(o, {quoted(pattern)}) THEN {quoted(NOT_OF_TYPE)}"
        for rid, pattern in wanted
    )
    return f"CASE {cases} END" if cases else "NULL"


def name_objects(store: Store) -> None:
    """Fill ``object``: every distinct object of every fact, with its names in both languages, part by part.

    A text that is the only name of one entity stands for that entity. Dates and numbers are added by
    ``add_literals``; they are read into ``literal`` meanwhile, which takes Python one core, while the
    database is busy with the rest. What was read is committed by itself: where this step is cut off, both
    are done again.
    """
    stopped = Event()
    with ThreadPoolExecutor(1, "literals") as pool:
        reading = pool.submit(_read_literals, store.con.cursor(), stopped)
        try:
            _create_objects(store)
            for part in parts_of(store, f"answer NOT IN {LITERAL}"):
                store.con.execute(_objects_of(part, _NAMES))
        except BaseException:
            stopped.set()
            raise
        reading.result()


def add_literals(store: Store) -> None:
    """Add the dates and numbers to ``object``."""
    for part in parts_of(store, f"answer IN {LITERAL}"):
        store.con.execute(_objects_of(part, _LITERALS))
    for table in ("known", "called", "referred"):
        store.con.execute(f"DROP TABLE {table}")


def _read_literals(con: duckdb.DuckDBPyConnection, stopped: Event) -> None:
    """Fill ``literal``: distinct dates and numbers, read in Python, which knows their forms."""
    con.execute("BEGIN")
    con.execute(
        "CREATE OR REPLACE TABLE literal"
        " (o VARCHAR, answer VARCHAR, key VARCHAR, zh VARCHAR, en VARCHAR)"
    )
    texts = con.cursor().execute(
        f"SELECT DISTINCT o, answer FROM value WHERE answer IN {LITERAL} AND NOT fixed"
    )
    while not stopped.is_set() and (batch := texts.fetchmany(LITERAL_BATCH)):
        columns: list[list[str | None]] = [[], [], [], [], []]
        for text, answer in batch:
            found = read_literal(text, answer)
            if found is not None:
                for column, item in zip(columns, (text, answer, *found), strict=True):
                    column.append(item)
        incoming = pa.Table.from_arrays(
            [pa.array(column, pa.string()) for column in columns], schema=LITERAL_SCHEMA
        )
        con.register("incoming", incoming)
        con.execute("INSERT INTO literal SELECT * FROM incoming")
        con.unregister("incoming")
    con.execute("COMMIT")
    con.close()


def _create_objects(store: Store) -> None:
    """``object``, and what names it: ``known`` (name to entity), ``referred`` (id to entity), ``called``."""
    store.con.execute(
        """
        CREATE TABLE object (sid INTEGER, rid SMALLINT, key VARCHAR, oid INTEGER, n INTEGER,
            copies BIGINT, zh VARCHAR, en VARCHAR, zh_more VARCHAR[], en_more VARCHAR[])
        """
    )
    store.con.execute(
        """
        CREATE TABLE known AS
        SELECT name, min(sid) AS oid FROM (
            SELECT DISTINCT sid, unnest([zh_bare, en_bare, zh]) AS name FROM subject
            WHERE fault IS NULL
        ) WHERE name IS NOT NULL GROUP BY name HAVING count(*) = 1
        """
    )
    store.con.execute(
        """
        INSERT INTO known
        SELECT name, min(sid) FROM (
            SELECT sid, unnest(coalesce(zh_names, []) || coalesce(en_names, [])) AS name FROM alias
            SEMI JOIN (SELECT sid FROM subject WHERE NOT ids AND NOT trusted) USING (sid)
        ) WHERE name NOT IN (
            SELECT unnest([zh_bare, en_bare, zh]) FROM subject WHERE fault IS NULL
        ) IS NOT FALSE GROUP BY name HAVING count(DISTINCT sid) = 1
        """
    )
    store.con.execute(
        "CREATE TABLE referred AS SELECT id AS o, sid AS oid FROM entity"
        " SEMI JOIN (SELECT o AS id FROM value WHERE ref) USING (id)"
    )
    store.con.execute(
        """
        CREATE TABLE called AS
        SELECT sid, min(zh_bare) AS zh_bare, min(en_bare) AS en_bare,
            any_value(zh_names) AS zh_names, any_value(en_names) AS en_names
        FROM subject LEFT JOIN alias USING (sid) GROUP BY sid
        """
    )


_NAMES = f"""
    SELECT sid, rid, ref, fixed, n, answer, o, zh, en,
        CASE WHEN fixed THEN o ELSE lower(o) END AS key
    FROM value WHERE answer NOT IN {LITERAL}
"""
_LITERALS = f"""
    SELECT sid, rid, ref, fixed, n, answer, o,
        coalesce(value.zh, literal.zh) AS zh, coalesce(value.en, literal.en) AS en,
        coalesce(literal.key, o) AS key
    FROM value LEFT JOIN literal USING (o, answer)
    WHERE answer IN {LITERAL} AND (fixed OR literal.key IS NOT NULL)
"""


def _objects_of(part: range, values: str) -> str:
    # Few facts are told twice. Only those are grouped, which needs their texts to be held.
    return f"""
        INSERT INTO object
        WITH keyed AS MATERIALIZED (
            {values} AND value.fault IS NULL AND {within("value.sid", part)}
        ), again AS (
            SELECT sid, rid, key FROM keyed GROUP BY ALL HAVING count(*) > 1
        ), merged AS (
            SELECT sid, rid, key, o, ref, zh, en, fixed, n, answer, 1 AS copies
            FROM keyed ANTI JOIN again USING (sid, rid, key)
            UNION ALL
            SELECT sid, rid, key, min(o), bool_or(ref), min(zh), min(en), bool_or(fixed), min(n),
                min(answer), count(*)
            FROM keyed SEMI JOIN again USING (sid, rid, key) GROUP BY sid, rid, key
        ), joined AS (
            SELECT merged.*, CASE WHEN ref THEN referred.oid
                WHEN answer NOT IN {LITERAL} THEN nullif(known.oid, merged.sid) END AS oid
            FROM merged LEFT JOIN known ON known.name = merged.o AND NOT merged.ref
            LEFT JOIN referred ON referred.o = merged.o AND merged.ref
        ), named AS (
            SELECT joined.sid, rid, key, oid, n, copies,
                coalesce(joined.zh, CASE WHEN ref THEN zh_bare
                    WHEN joined.en IS NULL OR zh_bare IS NULL THEN
                        CASE WHEN joined.en IS NULL THEN o END ELSE zh_bare END) AS zh,
                coalesce(joined.en, CASE WHEN ref THEN en_bare
                    WHEN NOT fixed AND NOT regexp_matches(o, {HAN_SQL}) THEN o
                    ELSE en_bare END) AS en,
                zh_bare, en_bare, zh_names, en_names
            FROM joined LEFT JOIN called ON called.sid = joined.oid
        )
        SELECT sid, rid, key, oid, n, copies, zh, en,
            {_more_names("zh")}, {_more_names("en")}
        FROM named
    """


def _more_names(language: Language) -> str:
    """What else the entity is called that an object stands for; NULL where there is nothing else."""
    bare = f"{language}_bare"
    return (
        f"CASE WHEN {language}_names IS NOT NULL OR {bare} <> {language} THEN"
        f" nullif(list_filter([{bare}], lambda x: x IS NOT NULL)"
        f" || coalesce({language}_names, []), []) END"
    )


def account_values(store: Store) -> None:
    """Add to ``dropped`` the values with a fault, and the repetitions that were merged."""
    sample = "min(left(id, 60) || ' | ' || rel || ' | ' || left(o, 80), 5)"
    named = "JOIN entity USING (sid) JOIN (SELECT DISTINCT rid, rel FROM relation) USING (rid)"
    store.con.execute(
        f"""
        INSERT INTO dropped
        SELECT 'values', reason, count(*), {sample} FROM (
            SELECT sid, rid, value.o,
                coalesce(fault, CASE WHEN NOT fixed AND value.answer IN {LITERAL}
                    AND literal.key IS NULL THEN {quoted(NOT_OF_TYPE)} END) AS reason
            FROM value LEFT JOIN literal USING (o, answer)
        ) {named} WHERE reason IS NOT NULL GROUP BY reason
        """
    )
    merged = int(store.one("SELECT coalesce(sum(copies - 1), 0) FROM object")[0])
    if merged:
        store.con.execute(
            "INSERT INTO dropped SELECT 'values', ?, ?, min(id || ' | ' || rel || ' | ' || key, 5)"
            f" FROM object {named} WHERE copies > 1",
            [DUPLICATE, merged],
        )


def find_mixed(store: Store) -> None:
    """Fill ``mixed``: names, in sources without ids, that are told of as things of several kinds.

    Who has a father and an author is a person and a book of one name.
    """
    kinds = [[kind, group] for group, kinds in rules().kinds.items() for kind in kinds]
    store.con.execute("CREATE TEMP TABLE kind_group (kind VARCHAR, grp VARCHAR)")
    store.con.executemany("INSERT INTO kind_group VALUES (?, ?)", kinds)
    store.con.execute(
        """
        CREATE TABLE mixed AS
        SELECT sid FROM (SELECT DISTINCT sid, rid FROM object)
        JOIN (SELECT DISTINCT rid, kind FROM relation) USING (rid) JOIN kind_group USING (kind)
        SEMI JOIN (SELECT sid FROM subject WHERE NOT ids AND NOT trusted) USING (sid)
        GROUP BY sid HAVING count(DISTINCT grp) > 1
        """
    )


def find_namesakes(store: Store) -> None:
    """Fill ``namesake``: people whose name is made of parts that others have too, so that more may bear it.

    马克·戴维斯 where other names begin with 马克 and others end in 戴维斯; 杨建国 where people of other
    families are called 建国. Learnt from the names of the graph, subjects and objects alike.
    """
    store.con.execute(
        rf"""
        CREATE TABLE namesake AS
        WITH every AS (
            SELECT zh_bare AS name FROM subject WHERE NOT ids AND NOT trusted
            UNION SELECT zh FROM object WHERE zh IS NOT NULL
        ), dotted AS (
            SELECT name, split_part(name, '·', 1) AS first, split_part(name, '·', 2) AS last
            FROM every WHERE regexp_matches(name, '^[^·]+·[^·]+$') AND regexp_matches(name, {HAN_SQL})
        ), given AS (
            SELECT name, left(name, 1) AS family, right(name, 2) AS given FROM every
            WHERE regexp_matches(name, '^[\x{{4e00}}-\x{{9fff}}]{{3}}$')
        ), begins AS (SELECT first FROM dotted GROUP BY first HAVING count(*) >= {_often("dotted")}),
        ends AS (SELECT last FROM dotted GROUP BY last HAVING count(*) >= {_often("dotted")}),
        families AS (SELECT given, count(DISTINCT family) AS n FROM given GROUP BY given),
        often AS (SELECT given FROM families WHERE n >= {_often("given")}
            AND n >= {ABOVE_AVERAGE} * (SELECT avg(n) FROM families)),
        borne AS (
            SELECT name FROM dotted SEMI JOIN begins USING (first) SEMI JOIN ends USING (last)
            UNION ALL SELECT name FROM given SEMI JOIN often USING (given)
        )
        SELECT DISTINCT sid FROM subject JOIN borne ON borne.name = zh_bare
        WHERE NOT ids AND NOT trusted AND zh = zh_bare
            AND zh_bare NOT IN (SELECT name FROM well_known)
        """
    )


def _often(names: str) -> str:
    return f"(SELECT greatest({SHARED_NAMES}, {SHARED_SHARE} * count(*)) FROM {names})"


def rate_subjects(store: Store) -> None:
    """Fill ``rating``: the popularity of each entity, by its source or by how often it is mentioned."""
    store.con.execute(
        """
        CREATE TABLE rating AS
        WITH mentions AS (SELECT oid AS sid, sum(copies) AS n FROM object WHERE oid IS NOT NULL
            GROUP BY oid)
        SELECT sid, min(id) AS id, min(zh) AS zh, min(en) AS en,
            bool_or(zh_ambiguous) AS zh_ambiguous, bool_or(en_ambiguous) AS en_ambiguous,
            min(united.split) AS split, min(source) AS source, NOT bool_or(ids OR trusted) AS open,
            CASE WHEN bool_or(rated) THEN max(popularity)
                ELSE (sum(degree) + coalesce(min(mentions.n), 0))::DOUBLE END AS popularity
        FROM subject JOIN united USING (sid) LEFT JOIN mentions USING (sid) WHERE fault IS NULL GROUP BY sid
        """
    )
