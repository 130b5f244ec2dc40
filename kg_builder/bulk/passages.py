"""Passages: the facts of an entity told in one paragraph, as JSON Lines."""

from __future__ import annotations

from pathlib import Path

from kg_builder.bulk.lines import write_lines
from kg_builder.bulk.parts import within
from kg_builder.bulk.store import Store
from kg_builder.bulk.templates import WRITTEN_SQL, Wording
from kg_builder.cleaning import quoted
from kg_builder.passages import ALSO, COMMA, MAX_ALIASES, STOP

# Every name that only one entity bears, and that entity.
ENTITY_NAMES = """
    SELECT name, min(id) FROM (
        SELECT DISTINCT sid, unnest([zh, en]) AS name FROM rating
        UNION SELECT sid, unnest(coalesce(zh_names, []) || coalesce(en_names, [])) FROM alias
    ) JOIN entity USING (sid) WHERE length(name) >= 2 GROUP BY name HAVING count(*) = 1
"""


def write_passages(store: Store, part: range, path: Path, wording: Wording) -> None:
    """Write the passages of a part: an entity's facts told in one paragraph."""
    lang, stop, comma = wording.language, STOP[wording.language], COMMA[wording.language]
    written = WRITTEN_SQL
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
