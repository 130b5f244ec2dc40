"""Export: facts grouped part by part, worded by the relations' templates, written as JSON Lines.

The wordings are made in Python (relation.py); here only ``{s}`` and ``{o}`` are filled in. A test
holds the questions against those that ``asking.build_questions`` makes from the same graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kg_builder.asking import (
    AMBIGUOUS,
    GIVEN_AWAY,
    HELD_OUT,
    NO_OBJECT_NAME,
    NO_RELATION_NAME,
    NO_SUBJECT_NAME,
    SEVERAL_VALUES,
)
from kg_builder.bulk.store import Store
from kg_builder.cleaning import HAN_SQL, quoted, rules
from kg_builder.passages import ALSO, COMMA, MAX_ALIASES, STOP
from kg_builder.question import Language
from kg_builder.splits import LEAK, held_out_relations

# phrasing.words for DuckDB.
_NOT_A_WORD = r"'[^0-9a-z\x{00c0}-\x{024f}\x{0370}-\x{03ff}\x{0400}-\x{04ff}]+'"
# Every name that only one entity bears, and that entity.
ENTITY_NAMES = """
    SELECT name, min(id) FROM (
        SELECT DISTINCT id, unnest([zh, en]) AS name FROM rating
        UNION SELECT id, unnest(coalesce(zh_names, []) || coalesce(en_names, [])) FROM alias
    ) WHERE length(name) >= 2 GROUP BY name HAVING count(DISTINCT id) = 1
"""
OVER_LIMIT = "more questions than were asked for"


@dataclass(frozen=True)
class Wording:
    """What decides the text of the export."""

    language: Language
    seed: int
    max_questions: int | None
    strict_names: bool


def group_part(store: Store, part: int) -> None:
    """Fill the temporary table ``fact`` with the facts of one part, their objects gathered."""
    store.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE fact AS
        WITH gathered AS (
            SELECT id, rel, min(key) AS first_key, count(*) FILTER (n = 0) AS rows,
                list({{'oid': oid, 'zh': zh, 'en': en, 'zh_more': zh_more, 'en_more': en_more}}
                    ORDER BY n, key) AS objects
            FROM object WHERE part = {part} GROUP BY id, rel
        ), leaking AS (
            SELECT DISTINCT object.id, object.rel FROM object JOIN leak USING (id, oid)
            WHERE object.part = {part}
        )
        SELECT gathered.*, leaking.id IS NOT NULL AS leaks FROM gathered
        LEFT JOIN leaking USING (id, rel)
        """
    )


def prepare_relations(store: Store, held_out_share: float, seed: int) -> frozenset[str]:
    """Fill ``wording``: one row per asked relation; returns those held out for the test split."""
    store.con.execute(
        """
        CREATE TABLE wording AS
        SELECT rel, arg_min(relation, p, 1)[1] AS r FROM (
            SELECT rel, p, relation FROM relation WHERE role = 'ask') GROUP BY rel
        """
    )
    names = [rel for (rel,) in store.con.execute("SELECT rel FROM wording").fetchall()]
    held = held_out_relations(names, held_out_share, seed)
    store.con.execute("CREATE TABLE held_out (rel VARCHAR)")
    if held:
        store.con.executemany("INSERT INTO held_out VALUES (?)", [[one] for one in sorted(held)])
    store.con.execute("CREATE TABLE asked (language VARCHAR, split VARCHAR, rel VARCHAR, n BIGINT)")
    store.con.execute(
        "CREATE TABLE question_id (language VARCHAR, hash VARCHAR, split VARCHAR, rel VARCHAR)"
    )
    return held


def limit_questions(store: Store, wording: Wording) -> str | None:
    """The greatest hash to keep where there are too many questions; the rest is accounted for."""
    lang, limit = wording.language, wording.max_questions
    of_language = f"language = '{lang}'"
    if limit is None or (total := store.count("question_id", of_language)) <= limit:
        return None
    (last,) = store.one(
        f"SELECT hash FROM question_id WHERE {of_language} ORDER BY hash LIMIT 1 OFFSET ?",
        [limit - 1],
    )
    store.con.execute(f"DELETE FROM asked WHERE {of_language}")
    store.con.execute(
        f"INSERT INTO asked SELECT '{lang}', split, rel, count(*) FROM question_id"
        f" WHERE {of_language} AND hash <= ? GROUP BY split, rel",
        [last],
    )
    store.con.execute(
        f"INSERT INTO dropped VALUES ('{lang} questions', ?, ?, [])", [OVER_LIMIT, total - limit]
    )
    return str(last)


def write_questions(store: Store, path: Path, wording: Wording, ids: bool) -> None:
    """Write the questions of the part in ``fact``, and count them and what was dropped."""
    lang = wording.language
    con = store.con
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE candidate AS
        WITH told AS (
            SELECT fact.id, fact.rel, fact.leaks, fact.rows, rating.split, rating.source,
                rating.popularity, rating.open, rating.{lang} AS name, rating.{lang}_ambiguous AS ambiguous,
                w.r.{lang}_name AS relation_name, w.r.{lang}_questions AS questions,
                w.r.answer, w.r.one, w.r.titled, w.r.person, w.r.place,
                list_filter(objects, lambda x: x.{lang} IS NOT NULL)
                    || list_filter(objects, lambda x: x.{lang} IS NULL) AS objects,
                {lang}_of_first, held_out.rel IS NOT NULL AS held
            FROM (SELECT *, list_filter(objects, lambda x: x.{lang} IS NOT NULL)[1].{lang}
                AS {lang}_of_first FROM fact) AS fact
            JOIN rating USING (id) JOIN wording AS w USING (rel) LEFT JOIN held_out USING (rel)
        ), shown AS (
            SELECT *, list_transform(objects, lambda x: {_names(lang)}) AS names,
                md5(id || '\t' || rel)[:16] AS hash
            FROM told
        )
        SELECT * EXCLUDE (objects), {_reason(lang, ids, wording.strict_names)} AS reason FROM shown
        """
    )
    con.execute(
        f"""
        INSERT INTO dropped
        SELECT '{lang} questions', reason, count(*),
            min(left(id, 60) || ' | ' || rel || ' | ' || left(names[1][1], 80), 5)
        FROM candidate WHERE reason IS NOT NULL GROUP BY reason
        """
    )
    con.execute(
        f"""
        INSERT INTO asked SELECT '{lang}', split, rel, count(*) FROM candidate
        WHERE reason IS NULL GROUP BY split, rel
        """
    )
    if wording.max_questions is not None:
        con.execute(
            f"INSERT INTO question_id SELECT '{lang}', hash, split, rel FROM candidate"
            " WHERE reason IS NULL"
        )
    con.execute(f"COPY ({_questions(wording)}) TO {quoted(str(path))} (FORMAT json)")


def _names(lang: Language) -> str:
    """Every name of an object, those in the language first, each once (fact.Object.names)."""
    other = "en" if lang == "zh" else "zh"
    every = (
        f"list_filter([x.{lang}] || coalesce(x.{lang}_more, []) || [x.{other}]"
        f" || coalesce(x.{other}_more, []), lambda y: y IS NOT NULL)"
    )
    plain = (
        f"CASE WHEN x.{lang} IS NULL THEN [x.{other}]"
        f" WHEN x.{other} IS NULL OR x.{other} = x.{lang} THEN [x.{lang}]"
        f" ELSE [x.{lang}, x.{other}] END"
    )
    once = f"list_filter({every}, lambda y, i: list_position({every}, y) = i)"
    return f"CASE WHEN x.zh_more IS NULL AND x.en_more IS NULL THEN {plain} ELSE {once} END"


def _reason(lang: Language, ids: bool, strict: bool) -> str:
    """Why a fact is not asked, the first that holds; NULL where it is."""
    contradict = "one AND rows > 1"
    if ids:
        # Ids tell namesakes apart: several values then are several, save dates and numbers.
        contradict += " AND answer IN ('date', 'number')"
    given = (
        f"list_bool_or(list_transform(names, lambda x: CASE WHEN regexp_matches(x[1], {HAN_SQL})"
        f" THEN contains(lower(name), lower(x[1]))"
        f" ELSE {_words('x[1]')} <> '  ' AND contains({_words('name')}, {_words('x[1]')}) END))"
    )
    title, person = rules().common_title, rules().person_name
    shapes = (
        (f"open AND titled AND regexp_matches(name, {quoted(title.pattern)})", title.reason),
        (f"open AND person AND NOT regexp_matches(name, {quoted(person.pattern)})", person.reason),
    )
    cases = (
        (contradict, SEVERAL_VALUES),
        ("relation_name IS NULL", NO_RELATION_NAME),
        ("name IS NULL", NO_SUBJECT_NAME),
        ("ambiguous", AMBIGUOUS),
        *(shapes if strict else ()),
        (f"{lang}_of_first IS NULL", NO_OBJECT_NAME),
        (given, GIVEN_AWAY),
        ("held AND split <> 'test'", HELD_OUT),
        ("leaks", LEAK),
    )
    return (
        "CASE " + " ".join(f"WHEN {test} THEN {quoted(reason)}" for test, reason in cases) + " END"
    )


def _words(text: str) -> str:
    return f"' ' || trim(regexp_replace(lower({text}), {_NOT_A_WORD}, ' ', 'g')) || ' '"


def _questions(wording: Wording) -> str:
    lang = wording.language
    written = (
        "CASE WHEN titled AND NOT contains(name, '《') THEN '《' || name || '》' ELSE name END"
    )
    topic = "written || '的' || relation_name"
    capital = "{}"
    if lang == "en":
        written, topic = "name", "'the ' || relation_name || ' of ' || written"
        capital = "upper({0}[1]) || {0}[2:]"

    def filled(text: str) -> str:
        return capital.format(f"replace({text}, '{{s}}', written)")

    first = f"('0x' || md5('{wording.seed}' || '\t' || qid)[:8])::BIGINT % greatest(len(rest), 1)"
    return f"""
        WITH written AS (
            SELECT *, {written} AS written, '{lang}-' || hash AS qid, questions[2:] AS rest
            FROM candidate WHERE reason IS NULL
        ), turned AS (
            SELECT *, ({first})::INTEGER AS k FROM written
        )
        SELECT qid AS id, {filled("questions[1]")} AS text, '{lang}' AS language,
            name AS subject, id AS subject_id, rel AS relation, {topic} AS topic,
            {{'objects': names, 'need_all': false, 'answer_type': answer}} AS gold, split,
            list_transform(rest[k + 1:] || rest[:k], lambda x: {filled("x")}) AS paraphrases,
            popularity, source
        FROM turned ORDER BY id, place, rel
    """


def write_passages(store: Store, path: Path, wording: Wording) -> None:
    """Write the passages of the part in ``fact``: an entity's facts told in one paragraph."""
    lang, stop, comma = wording.language, STOP[wording.language], COMMA[wording.language]
    written = (
        "CASE WHEN titled AND NOT contains(name, '《') THEN '《' || name || '》' ELSE name END"
    )
    capital = "{}"
    if lang == "en":
        written, capital = "name", "upper(({0})[1]) || ({0})[2:]"
    chosen = (
        f"statements[(('0x' || md5('{wording.seed}' || '\t' || id || '\t' || rel)[:8])::BIGINT"
        f" % len(statements))::INTEGER + 1]"
    )
    sentence = capital.format(f"replace(replace({chosen}, '{{s}}', written), '{{o}}', told)")
    also = ALSO[lang].replace("{s}", "' || name || '").replace("{o}", "' || told_names || '")
    also_sql = capital.format(f"'{also}'")
    store.con.execute(
        f"""
        COPY (
            WITH told AS (
                SELECT fact.id, fact.rel, rating.{lang} AS name, rating.source, w.r.place,
                    w.r.titled, w.r.{lang}_statements AS statements, fact.objects,
                    list_aggregate(list_filter(list_transform(fact.objects, lambda x: x.{lang}),
                        lambda y: y IS NOT NULL), 'string_agg', {quoted(comma)}) AS told
                FROM fact JOIN rating USING (id) JOIN wording AS w USING (rel)
                WHERE rating.{lang} IS NOT NULL AND NOT rating.{lang}_ambiguous
                    AND w.r.{lang}_name IS NOT NULL
            ), sentences AS (
                SELECT *, {sentence} AS sentence
                FROM (SELECT *, {written} AS written FROM told WHERE told IS NOT NULL)
            ), paragraphs AS (
                SELECT id, min(name) AS name, min(source) AS source,
                    string_agg(sentence || {quoted(stop)}, '' ORDER BY place, rel) AS text,
                    list_distinct(list_filter(flatten(list(list_transform(objects,
                        lambda x: x.oid))), lambda y: y IS NOT NULL AND y <> id)) AS others
                FROM sentences GROUP BY id
            ), named AS (
                SELECT paragraphs.*, array_to_string(list_filter(alias.{lang}_names,
                    lambda x: trim(x, '《》') <> trim(name, '《》'))[:{MAX_ALIASES}],
                    {quoted(comma)}) AS told_names
                FROM paragraphs LEFT JOIN alias USING (id)
            )
            SELECT '{lang}-' || md5(source || '\t' || id)[:16] AS id, name AS title,
                trim(text || CASE WHEN told_names <> '' THEN {also_sql} || {quoted(stop)}
                    ELSE '' END) AS text,
                'kg://' || source || '/' || url_encode(id) AS url, '{lang}' AS language,
                [named.id] || list_sort(others) AS entities
            FROM named ORDER BY named.id
        ) TO {quoted(str(path))} (FORMAT json)
        """
    )
