"""Questions: facts grouped part by part, judged, chosen, and worded by the relations' templates.

The wordings are made in Python (relation.py, templates.py); here they are filled in.
"""

from __future__ import annotations

from pathlib import Path

from kg_builder.asking import (
    AMBIGUOUS,
    GIVEN_AWAY,
    HELD_OUT,
    NO_OBJECT_NAME,
    NO_RELATION_NAME,
    NO_SUBJECT_NAME,
    OVER_LIMIT,
    SAME_ANSWER,
    SAME_RELATION,
    SEVERAL_VALUES,
    QuestionSettings,
)
from kg_builder.bulk.caps import Cap, caps
from kg_builder.bulk.entities import SAME_FACT
from kg_builder.bulk.facts import LITERAL
from kg_builder.bulk.lines import escaped, is_plain, write_lines
from kg_builder.bulk.parts import within
from kg_builder.bulk.store import Store
from kg_builder.bulk.templates import CAPITAL, WRITTEN, WRITTEN_SQL, Wording
from kg_builder.cleaning import HAN_SQL, Shape, quoted, rules
from kg_builder.question import Language
from kg_builder.splits import LEAK

# phrasing.words for DuckDB.
_NOT_A_WORD = r"'[^0-9a-z\x{00c0}-\x{024f}\x{0370}-\x{03ff}\x{0400}-\x{04ff}]+'"
_PEOPLE = "('person', 'ruler', 'thing')"
NAMESAKES = "a name that several people bear"
# Shares say nothing of a relation with fewer facts than this.
FEWEST_FACTS = 10
# What a question needs to be written, of the facts that can be asked.
ASKABLE = """
    sid INTEGER, rid SMALLINT, rel VARCHAR, hash VARCHAR, split VARCHAR, id VARCHAR, name VARCHAR,
    source VARCHAR, popularity DOUBLE, wordings BIGINT, titled BOOLEAN, place INTEGER, names VARCHAR,
    answers VARCHAR[], incomplete BOOLEAN
"""


def collect_questions(store: Store, part: range, wording: Wording, ids: bool) -> None:
    """Add the facts of a part that can be asked to ``askable_…``, and count those that cannot."""
    lang, con = wording.language, store.con
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE candidate AS
        WITH named AS (
            SELECT object.sid, rid, n, key, object.{lang} AS label, {_names_json(lang)} AS names,
                coalesce(object.{lang}, object.{_other(lang)}) AS shown, rating.{lang} AS name
            FROM object JOIN rating USING (sid) WHERE {within("object.sid", part)}
        ), judged AS MATERIALIZED (
            SELECT *, {_given_away()} AS given FROM named
        ), counted AS (
            SELECT sid, rid, count(*) AS total, count(*) FILTER (n = 0) AS rows FROM object
            WHERE {within("sid", part)} GROUP BY sid, rid HAVING count(*) > 1
        ), gathered AS (
            SELECT sid, rid, 1 AS total, (n = 0)::INTEGER AS rows, label, shown, names, given,
                [shown] AS answers
            FROM judged ANTI JOIN counted USING (sid, rid)
            UNION ALL
            SELECT sid, rid, any_value(total), any_value(rows), min(label), min(shown),
                string_agg(names, ',' ORDER BY (label IS NULL), n, key), bool_or(given),
                list(shown ORDER BY (label IS NULL), n, key)
            FROM judged JOIN counted USING (sid, rid) GROUP BY sid, rid
        ), told AS (
            SELECT gathered.*, rating.id, w.rel,
                leak.sid IS NOT NULL AS leaks, same.sid IS NOT NULL AS again,
                mixed.sid IS NOT NULL AS mixed, namesake.sid IS NOT NULL AS namesake,
                held_out.rel IS NOT NULL AS held,
                rating.split, rating.source, rating.popularity, rating.open,
                rating.{lang} AS name, rating.{lang}_ambiguous AS ambiguous,
                w.r.{lang}_name AS relation_name, len(w.r.{lang}_questions) AS wordings,
                w.r.answer, w.r.one, w.r.titled, w.r.unknown, w.r.kind, w.r.place,
                rating.open AND NOT w.r.one AS incomplete,
                md5(rating.id || '\t' || w.rel)[:16] AS hash
            FROM gathered JOIN rating USING (sid) JOIN wording AS w USING (rid)
            LEFT JOIN leak USING (sid, rid) LEFT JOIN same USING (sid, rid)
            LEFT JOIN mixed USING (sid) LEFT JOIN namesake USING (sid) LEFT JOIN held_out USING (rel)
        )
        SELECT *, {_reason(ids, wording.strict_names)} AS reason FROM told
        """
    )
    con.execute(
        f"""
        INSERT INTO dropped
        SELECT '{lang} questions', reason, count(*),
            min(left(id, 60) || ' | ' || rel || ' | ' || left(shown, 80), 5)
        FROM candidate WHERE reason IS NOT NULL GROUP BY reason
        """
    )
    columns = ", ".join(line.split()[0] for line in ASKABLE.split(",") if line.strip())
    con.execute(f"INSERT INTO askable_{lang} SELECT {columns} FROM candidate WHERE reason IS NULL")


def write_questions(store: Store, part: range, path: Path, wording: Wording) -> None:
    """Append the chosen questions of a part to a file."""
    write_lines(store, _question_lines(wording, part), path)


def create_askable(store: Store, language: Language) -> None:
    store.con.execute(f"CREATE TABLE askable_{language} ({ASKABLE})")


def choose_questions(store: Store, wording: Wording, settings: QuestionSettings) -> None:
    """Rate how guessable each question is, then keep those within the caps and the limit.

    Fills ``rate_…`` (how often the commonest answer of a relation is right), ``often_…`` (how often
    this question's is) and ``asked`` (counts); what is left out is counted.
    """
    lang, con = wording.language, store.con
    _rate(store, lang)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE ranked AS
        SELECT sid, rid, rel, hash, id, answers[1] AS answer,
            row_number() OVER (PARTITION BY rel, answers[1] ORDER BY hash) AS turn
        FROM askable_{lang}
        """
    )
    counts: dict[str, dict[int, int]] = {}
    for rel, size, answers in con.execute(
        "SELECT rel, n, count(*) FROM (SELECT rel, answer, count(*) AS n FROM ranked GROUP BY ALL)"
        " GROUP BY rel, n ORDER BY rel, n"
    ).fetchall():
        counts.setdefault(rel, {})[size] = answers
    found = caps(
        counts,
        pair_share=settings.max_pair_share,
        answer_share=settings.max_answer_share,
        relation_share=settings.max_relation_share,
        limit=wording.max_questions,
    )
    _leave_out(store, lang, found, wording.max_questions)
    con.execute(
        f"INSERT INTO asked SELECT '{lang}', split, rel, count(*) FROM askable_{lang}"
        " GROUP BY split, rel"
    )


def _rate(store: Store, lang: Language) -> None:
    store.con.execute(
        f"""
        CREATE TEMP TABLE answer_count AS
        SELECT rel, answer, count(*) AS n FROM (
            SELECT DISTINCT sid, rel, unnest(answers) AS answer FROM askable_{lang}) GROUP BY ALL
        """
    )
    store.con.execute(
        f"""
        CREATE TABLE rate_{lang} AS
        SELECT rel, total, round(max(n) / total, 4) AS base_rate FROM answer_count
        JOIN (SELECT rel, count(*) AS total FROM askable_{lang} GROUP BY rel) USING (rel)
        GROUP BY rel, total HAVING total >= {FEWEST_FACTS}
        """
    )
    store.con.execute(
        f"""
        CREATE TABLE often_{lang} AS
        SELECT sid, rid, round(max(n) / any_value(total), 4) AS answer_share
        FROM (SELECT sid, rid, rel, unnest(answers) AS answer FROM askable_{lang})
        JOIN answer_count USING (rel, answer) JOIN rate_{lang} USING (rel) GROUP BY sid, rid
        """
    )
    store.con.execute("DROP TABLE answer_count")


def _leave_out(store: Store, lang: Language, found: dict[str, Cap], limit: int | None) -> None:
    con = store.con
    con.execute("CREATE OR REPLACE TEMP TABLE cap (rel VARCHAR, answer BIGINT, relation BIGINT)")
    if found:
        con.executemany(
            "INSERT INTO cap VALUES (?, ?, ?)", [[rel, *one] for rel, one in found.items()]
        )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE left_out AS
        WITH first AS (
            SELECT ranked.*, turn > cap.answer AS often, cap.relation AS most
            FROM ranked JOIN cap USING (rel)
        ), second AS (
            SELECT *, often OR row_number() OVER (PARTITION BY rel, often ORDER BY hash) > most AS much
            FROM first
        ), third AS (
            SELECT *, row_number() OVER (PARTITION BY much ORDER BY hash) AS place FROM second
        )
        SELECT sid, rid, id, rel, answer, CASE WHEN often THEN {quoted(SAME_ANSWER)}
            WHEN much THEN {quoted(SAME_RELATION)} ELSE {quoted(OVER_LIMIT)} END AS reason
        FROM third WHERE much OR place > {limit if limit is not None else "place"}
        """
    )
    con.execute(
        f"""
        INSERT INTO dropped SELECT '{lang} questions', reason, count(*),
            min(left(id, 60) || ' | ' || rel || ' | ' || left(answer, 80), 5)
        FROM left_out GROUP BY reason
        """
    )
    con.execute(f"DELETE FROM askable_{lang} WHERE (sid, rid) IN (SELECT (sid, rid) FROM left_out)")


def _other(lang: Language) -> Language:
    return "en" if lang == "zh" else "zh"


def _names_json(lang: Language) -> str:
    """Every name of an object as JSON, those in the language first (fact.Object.names)."""
    first, second = f"object.{lang}", f"object.{_other(lang)}"
    every = (
        f"list_filter([{first}] || coalesce({first}_more, []) || [{second}]"
        f" || coalesce({second}_more, []), lambda y: y IS NOT NULL)"
    )
    once = f"list_filter({every}, lambda y, i: list_position({every}, y) = i)"
    return (
        f"CASE WHEN {second} IS NULL AND zh_more IS NULL AND en_more IS NULL"
        f" AND {is_plain(first)} THEN '[\"' || {first} || '\"]'"
        " WHEN zh_more IS NULL AND en_more IS NULL THEN"
        f" CASE WHEN {first} IS NULL THEN to_json([{second}])"
        f" WHEN {second} IS NULL OR {second} = {first} THEN to_json([{first}])"
        f" ELSE to_json([{first}, {second}]) END"
        f" ELSE to_json({once}) END::VARCHAR"
    )


def _given_away() -> str:
    """phrasing.gives_away as an expression."""
    return (
        f"CASE WHEN regexp_matches(shown, {HAN_SQL}) THEN contains(lower(name), lower(shown))"
        f" ELSE {_words('shown')} <> '  ' AND contains({_words('name')}, {_words('shown')}) END"
    )


def _reason(ids: bool, strict: bool) -> str:
    """Why a fact is not asked, the first that holds; NULL where it is."""
    contradict = "one AND rows > 1"
    if ids:
        # Ids tell namesakes apart: several values then are several, save dates and numbers.
        contradict += f" AND answer IN {LITERAL}"
    else:
        # A list of numbers or dates in one cell answers several questions: sizes, editions, years.
        contradict += f" OR open AND answer IN {LITERAL} AND total > 1"
    title = rules().common_title
    shapes = (
        *(((f"open AND regexp_matches(name, {quoted(title.pattern)}) AND (titled OR unknown"
            " AND name NOT IN (SELECT name FROM well_known))", title.reason),) if strict else ()),
        *((f"open AND {_misshapen(shape)}", shape.reason) for shape in rules().subject_shapes
          if strict or not shape.namesakes),
    )  # fmt: skip
    cases = (
        (contradict, SEVERAL_VALUES),
        ("relation_name IS NULL", NO_RELATION_NAME),
        ("name IS NULL", NO_SUBJECT_NAME),
        ("ambiguous", AMBIGUOUS),
        *((("mixed", AMBIGUOUS), (f"namesake AND kind IN {_PEOPLE}", NAMESAKES)) if strict else ()),
        *shapes,
        ("label IS NULL", NO_OBJECT_NAME),
        ("given", GIVEN_AWAY),
        ("held AND split <> 'test'", HELD_OUT),
        ("leaks", LEAK),
        ("again", SAME_FACT),
    )
    return (
        "CASE " + " ".join(f"WHEN {test} THEN {quoted(reason)}" for test, reason in cases) + " END"
    )


def _misshapen(shape: Shape) -> str:
    kinds = ", ".join(map(quoted, shape.kinds))
    must = f"NOT regexp_matches(name, {quoted(shape.must)})" if shape.must else "false"
    never = f"regexp_matches(name, {quoted(shape.never)})" if shape.never else "false"
    return f"kind IN ({kinds}) AND ({must} OR {never})"


def _words(text: str) -> str:
    return f"' ' || trim(regexp_replace(lower({text}), {_NOT_A_WORD}, ' ', 'g')) || ' '"


def _question_lines(wording: Wording, part: range) -> str:
    """The templates of the relations with their holes filled."""
    lang = wording.language
    written, capital = WRITTEN_SQL, "written"
    if lang == "en":
        written, capital = "name", "upper(written[1]) || written[2:]"
    turn = f"('0x' || md5('{wording.seed}' || '\t{lang}-' || hash)[:8])::BIGINT"
    texts = {column: escaped(column) for column in ("written", "name", "id", "source")}

    def worded(piece: int) -> str:
        text = f"replace(pieces[{piece}], '{WRITTEN}', written_json)"
        return text if lang == "zh" else f"replace({text}, '{CAPITAL}', capital_json)"

    capital_json = escaped(f"({capital})") if lang == "en" else "NULL"
    return f"""
        SELECT concat(pieces[1], hash, {worded(2)}, name_json, pieces[3], id_json, {worded(4)},
            '[', names, ']', pieces[5], split, {worded(6)}, coalesce(popularity::VARCHAR, 'null'),
            pieces[7], source_json, pieces[8], incomplete::VARCHAR,
            pieces[9], coalesce(base_rate::VARCHAR, 'null'),
            pieces[10], coalesce(answer_share::VARCHAR, 'null'), pieces[11])
        FROM (
            SELECT *, {texts["written"]} AS written_json, {texts["name"]} AS name_json,
                {texts["id"]} AS id_json, {texts["source"]} AS source_json,
                {capital_json} AS capital_json
            FROM (
                SELECT *, {written} AS written, ({turn} % greatest(wordings - 1, 1))::INTEGER AS k
                FROM askable_{lang} WHERE {within("sid", part)}
            ) AS chosen
            LEFT JOIN rate_{lang} AS rate USING (rel) LEFT JOIN often_{lang} AS often USING (sid, rid)
        ) AS turned
        JOIN template ON template.language = '{lang}' AND template.rel = turned.rel
            AND template.k = turned.k
        ORDER BY sid, place, rid
    """
