"""Templates: the JSON line of a relation's questions, cut at the holes that facts fill."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kg_builder.bulk.store import Store
from kg_builder.cleaning import quoted
from kg_builder.phrasing import capitalise
from kg_builder.question import Language
from kg_builder.relation import QUALIFIED_TITLE, TOPICS, fill
from kg_builder.splits import held_out_relations

# Holes in a template. These code points are no characters, so no text holds them.
# WRITTEN and CAPITAL may be anywhere in the wordings; the others follow each other as in the record.
WRITTEN, CAPITAL, HASH, NAME, ID, GOLD, SPLIT, POPULARITY, SOURCE, OPEN, RATE, SHARE = map(
    chr, range(0xFDD0, 0xFDDC)
)

# Relation.written for Chinese.
WRITTEN_SQL = (
    f"CASE WHEN titled AND NOT contains(name, '《')"
    f" THEN regexp_replace(name, {quoted(QUALIFIED_TITLE)}, '《\\1》\\2') ELSE name END"
)


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
            f"SELECT rel, r.{language}_name, r.{language}_questions, r.answer, r.changing FROM wording"
        ).fetchall()
        rows = [
            [language, rel, k, line]
            for rel, name, questions, answer, changing in found
            for k, line in enumerate(
                question_templates(language, rel, name or "", questions, answer, changing)
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
    return held


def question_templates(
    language: Language, rel: str, name: str, questions: Sequence[str], answer: str, changing: bool
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
            "changing": changing,
            "incomplete": OPEN,
            "base_rate": RATE,
            "answer_share": SHARE,
        }
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        for hole in (GOLD, POPULARITY, OPEN, RATE, SHARE):  # these are no strings
            line = line.replace(f'"{hole}"', hole)
        templates.append(re.split(f"[{HASH}-{SHARE}]", line))
    return templates
