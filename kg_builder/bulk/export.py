"""Export: facts grouped part by part, worded by the relations' templates, written as JSON Lines.

The wordings are made in Python (relation.py); here they are filled in. A test holds the
questions against those that ``asking.build_questions`` makes from the same graph.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kg_builder.asking import (
    AMBIGUOUS,
    GIVEN_AWAY,
    HELD_OUT,
    NO_OBJECT_NAME,
    NO_RELATION_NAME,
    NO_SUBJECT_NAME,
    SEVERAL_VALUES,
)
from kg_builder.bulk.facts import LITERAL
from kg_builder.bulk.parts import within
from kg_builder.bulk.rows import prefetched
from kg_builder.bulk.store import Store, StoreError
from kg_builder.cleaning import HAN_SQL, Shape, quoted, rules
from kg_builder.passages import ALSO, COMMA, MAX_ALIASES, STOP
from kg_builder.phrasing import capitalise
from kg_builder.question import Language
from kg_builder.relation import QUALIFIED_TITLE, TOPICS, fill
from kg_builder.splits import LEAK, held_out_relations

# Holes in a template. These code points are no characters, so no text holds them.
# WRITTEN and CAPITAL may be anywhere in the wordings; the others follow each other as in the record.
WRITTEN, CAPITAL, HASH, NAME, ID, GOLD, SPLIT, POPULARITY, SOURCE = map(chr, range(0xFDD0, 0xFDD9))

# phrasing.words for DuckDB.
_NOT_A_WORD = r"'[^0-9a-z\x{00c0}-\x{024f}\x{0370}-\x{03ff}\x{0400}-\x{04ff}]+'"
# Every name that only one entity bears, and that entity.
ENTITY_NAMES = """
    SELECT name, min(id) FROM (
        SELECT DISTINCT sid, unnest([zh, en]) AS name FROM rating
        UNION SELECT sid, unnest(coalesce(zh_names, []) || coalesce(en_names, [])) FROM alias
    ) JOIN entity USING (sid) WHERE length(name) >= 2 GROUP BY name HAVING count(*) = 1
"""
# Relation.written for Chinese.
_WRITTEN = (
    f"CASE WHEN titled AND NOT contains(name, '《')"
    f" THEN regexp_replace(name, {quoted(QUALIFIED_TITLE)}, '《\\1》\\2') ELSE name END"
)
OVER_LIMIT = "more questions than were asked for"


@dataclass(frozen=True)
class Wording:
    """What decides the text of the export."""

    language: Language
    seed: int
    max_questions: int | None
    strict_names: bool


def prepare_relations(
    store: Store, languages: Sequence[Language], held_out_share: float, seed: int
) -> frozenset[str]:
    """Fill ``wording``, one row per asked relation, and ``template``, one per order of its wordings.

    Returns the relations held out for the test split.
    """
    con = store.con
    con.execute(
        """
        CREATE TABLE wording AS
        SELECT rid, rel, arg_min(relation, p, 1)[1] AS r FROM (
            SELECT rid, rel, p, relation FROM relation WHERE role = 'ask') GROUP BY rid, rel
        """
    )
    con.execute(
        "CREATE TABLE template (language VARCHAR, rel VARCHAR, k INTEGER, pieces VARCHAR[])"
    )
    for language in languages:
        found = con.execute(
            f"SELECT rel, r.{language}_name, r.{language}_questions, r.answer FROM wording"
        ).fetchall()
        rows = [
            [language, rel, k, line]
            for rel, name, questions, answer in found
            for k, line in enumerate(
                question_templates(language, rel, name or "", questions, answer)
            )
        ]
        if rows:
            con.executemany("INSERT INTO template VALUES (?, ?, ?, ?)", rows)
    names = [rel for (rel,) in con.execute("SELECT rel FROM wording").fetchall()]
    held = held_out_relations(names, held_out_share, seed)
    con.execute("CREATE TABLE written (file VARCHAR, size BIGINT)")
    con.execute("CREATE TABLE held_out (rel VARCHAR)")
    if held:
        con.executemany("INSERT INTO held_out VALUES (?)", [[one] for one in sorted(held)])
    con.execute("CREATE TABLE asked (language VARCHAR, split VARCHAR, rel VARCHAR, n BIGINT)")
    con.execute(
        "CREATE TABLE question_id (language VARCHAR, hash VARCHAR, split VARCHAR, rel VARCHAR)"
    )
    return held


def question_templates(
    language: Language, rel: str, name: str, questions: Sequence[str], answer: str
) -> list[list[str]]:
    """The JSON line of a relation's questions, cut at its holes, for each order of the paraphrases.

    Made once per relation, so that a question costs a concatenation. ``WRITTEN`` and ``CAPITAL``
    stay in the pieces: where they are depends on the wordings.
    """

    def worded(wording: str) -> str:
        if language == "en" and wording.startswith("{s}"):
            return fill(CAPITAL + wording[3:], s=WRITTEN)
        return capitalise(fill(wording, s=WRITTEN), language)

    first, *rest = (worded(wording) for wording in questions)
    templates = []
    for k in range(max(len(rest), 1)):
        record = {
            "id": f"{language}-{HASH}",
            "text": first,
            "language": language,
            "subject": NAME,
            "subject_id": ID,
            "relation": rel,
            "topic": fill(TOPICS[language], s=WRITTEN, p=name),
            "gold": {"objects": GOLD, "need_all": False, "answer_type": answer},
            "split": SPLIT,
            "paraphrases": rest[k:] + rest[:k],
            "popularity": POPULARITY,
            "source": SOURCE,
        }
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        for hole in (GOLD, POPULARITY):  # these are no strings
            line = line.replace(f'"{hole}"', hole)
        templates.append(re.split(f"[{HASH}-{SOURCE}]", line))
    return templates


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


def write_questions(store: Store, part: range, path: Path, wording: Wording, ids: bool) -> None:
    """Write the questions of a part, and count them and what was not asked."""
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
            SELECT sid, rid, 1 AS total, (n = 0)::INTEGER AS rows, label, shown, names, given
            FROM judged ANTI JOIN counted USING (sid, rid)
            UNION ALL
            SELECT sid, rid, any_value(total), any_value(rows), min(label), min(shown),
                string_agg(names, ',' ORDER BY (label IS NULL), n, key), bool_or(given)
            FROM judged JOIN counted USING (sid, rid) GROUP BY sid, rid
        ), leaking AS (
            SELECT DISTINCT object.sid, object.rid FROM object JOIN leak USING (sid, oid)
            WHERE {within("object.sid", part)}
        ), told AS (
            SELECT gathered.*, rating.id, w.rel,
                leaking.sid IS NOT NULL AS leaks, held_out.rel IS NOT NULL AS held,
                rating.split, rating.source, rating.popularity, rating.open,
                rating.{lang} AS name, rating.{lang}_ambiguous AS ambiguous,
                w.r.{lang}_name AS relation_name, len(w.r.{lang}_questions) AS wordings,
                w.r.answer, w.r.one, w.r.titled, w.r.kind, w.r.place,
                md5(rating.id || '\t' || w.rel)[:16] AS hash
            FROM gathered JOIN rating USING (sid) JOIN wording AS w USING (rid)
            LEFT JOIN leaking USING (sid, rid) LEFT JOIN held_out USING (rel)
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
    write_lines(store, _question_lines(wording), path)


def write_lines(store: Store, sql: str, path: Path) -> None:
    """Append a column of lines, each with its end, straight from the database's buffers.

    What a killed run left behind what was committed is cut off first.
    """
    (start,) = store.one("SELECT coalesce(max(size), 0) FROM written WHERE file = ?", [path.name])
    path.touch()
    if path.stat().st_size < start:
        raise StoreError(f"{path} is shorter than it was. Delete {path.parent} and build again.")
    with path.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        # The next lines are put together while these are written.
        for batch in prefetched(iter(store.con.sql(sql).to_arrow_reader(100_000))):
            (column,) = batch.columns
            if not len(column):
                continue
            kind, offsets, data = column.type, column.buffers()[1], column.buffers()[2]
            view = memoryview(offsets)
            places = view.cast("q") if kind == pa.large_string() else view.cast("i")
            start, end = places[column.offset], places[column.offset + len(column)]
            file.write(memoryview(data)[start:end])
        size = file.tell()
    store.con.execute("INSERT INTO written VALUES (?, ?)", [path.name, size])


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
        f" AND {_is_plain(first)} THEN '[\"' || {first} || '\"]'"
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
        *(((f"open AND titled AND regexp_matches(name, {quoted(title.pattern)})", title.reason),)
          if strict else ()),
        *((f"open AND {_misshapen(shape)}", shape.reason) for shape in rules().subject_shapes
          if strict or not shape.namesakes),
    )  # fmt: skip
    cases = (
        (contradict, SEVERAL_VALUES),
        ("relation_name IS NULL", NO_RELATION_NAME),
        ("name IS NULL", NO_SUBJECT_NAME),
        ("ambiguous", AMBIGUOUS),
        *shapes,
        ("label IS NULL", NO_OBJECT_NAME),
        ("given", GIVEN_AWAY),
        ("held AND split <> 'test'", HELD_OUT),
        ("leaks", LEAK),
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


def _question_lines(wording: Wording) -> str:
    """The templates of the relations with their holes filled."""
    lang = wording.language
    written, capital = _WRITTEN, "written"
    if lang == "en":
        written, capital = "name", "upper(written[1]) || written[2:]"
    turn = f"('0x' || md5('{wording.seed}' || '\t{lang}-' || hash)[:8])::BIGINT"
    escaped = {column: _escaped(column) for column in ("written", "name", "id", "source")}

    def worded(piece: int) -> str:
        text = f"replace(pieces[{piece}], '{WRITTEN}', written_json)"
        return text if lang == "zh" else f"replace({text}, '{CAPITAL}', capital_json)"

    capital_json = _escaped(f"({capital})") if lang == "en" else "NULL"
    return f"""
        SELECT concat(pieces[1], hash, {worded(2)}, name_json, pieces[3], id_json, {worded(4)},
            '[', names, ']', pieces[5], split, {worded(6)}, coalesce(popularity::VARCHAR, 'null'),
            pieces[7], source_json, pieces[8])
        FROM (
            SELECT *, {escaped["written"]} AS written_json, {escaped["name"]} AS name_json,
                {escaped["id"]} AS id_json, {escaped["source"]} AS source_json,
                {capital_json} AS capital_json
            FROM (
                SELECT *, {written} AS written, ({turn} % greatest(wordings - 1, 1))::INTEGER AS k
                FROM candidate WHERE reason IS NULL
            )
        ) AS turned
        JOIN template ON template.language = '{lang}' AND template.rel = turned.rel
            AND template.k = turned.k
        ORDER BY sid, place, rid
    """


def _is_plain(text: str) -> str:
    return f"NOT regexp_matches({text}, '[\\x{{0}}-\\x{{1f}}\"\\\\]')"


def _escaped(text: str) -> str:
    """A text as it stands between the quotes of a JSON string."""
    return f"CASE WHEN {_is_plain(text)} THEN {text} ELSE (to_json({text})::VARCHAR)[2:-2] END"


def write_passages(store: Store, part: range, path: Path, wording: Wording) -> None:
    """Write the passages of a part: an entity's facts told in one paragraph."""
    lang, stop, comma = wording.language, STOP[wording.language], COMMA[wording.language]
    written = _WRITTEN
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
    lines = f"""
        WITH fact AS (
            SELECT object.sid, rid, list(other.id) AS oids,
                string_agg({lang}, {quoted(comma)} ORDER BY n, key) AS told
            FROM object LEFT JOIN entity AS other ON other.sid = oid
            WHERE {within("object.sid", part)} GROUP BY object.sid, rid
        ), told AS (
            SELECT rating.sid, rating.id, w.rel, rating.{lang} AS name, rating.source, w.r.place,
                w.r.titled, w.r.{lang}_statements AS statements, fact.oids, fact.told
            FROM fact JOIN rating USING (sid) JOIN wording AS w USING (rid)
            WHERE rating.{lang} IS NOT NULL AND NOT rating.{lang}_ambiguous
                AND w.r.{lang}_name IS NOT NULL
        ), sentences AS (
            SELECT *, {sentence} AS sentence
            FROM (SELECT *, {written} AS written FROM told WHERE told IS NOT NULL)
        ), paragraphs AS (
            SELECT sid, id, min(name) AS name, min(source) AS source,
                string_agg(sentence || {quoted(stop)}, '' ORDER BY place, rel) AS text,
                list_distinct(list_filter(flatten(list(oids)),
                    lambda y: y IS NOT NULL AND y <> id)) AS others
            FROM sentences GROUP BY sid, id
        ), named AS (
            SELECT paragraphs.*, array_to_string(list_filter(alias.{lang}_names,
                lambda x: trim(x, '《》') <> trim(name, '《》'))[:{MAX_ALIASES}],
                {quoted(comma)}) AS told_names
            FROM paragraphs LEFT JOIN alias USING (sid)
        )
        SELECT to_json({{
            'id': '{lang}-' || md5(source || '\t' || id)[:16],
            'title': name,
            'text': trim(text || CASE WHEN told_names <> '' THEN {also_sql} || {quoted(stop)}
                ELSE '' END),
            'url': 'kg://' || source || '/' || url_encode(id),
            'language': '{lang}',
            'entities': [id] || list_sort(others)
        }})::VARCHAR || '\n'
        FROM named ORDER BY sid
    """
    write_lines(store, lines, path)
