"""The report of a build: what was read, what became of it, and why the rest was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kg_builder.bulk.entities import leakage
from kg_builder.bulk.rows import read_accounts
from kg_builder.bulk.store import Store
from kg_builder.question import Language
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY


def make_report(store: Store, languages: Sequence[Language]) -> dict[str, Any]:
    """Counts at every stage. Rows in = rows about names + rows dropped + rows asked about."""
    per_language = {language: _language(store, language) for language in languages}
    about_names = {
        kind.removeprefix("@"): store.count("raw", f"p = '{kind}'")
        for kind in (LABEL, ALIAS, DESCRIPTION, POPULARITY)
    }
    total = store.count("raw")
    dropped_rows = _dropped(store, "rows")
    dropped_values = _dropped(store, "values")
    kept = total - sum(about_names.values()) - _sum(dropped_rows)
    return {
        "questions": sum(one["questions"] for one in per_language.values()),
        "sources": read_accounts(store),
        "rows": {
            "read": total,
            "about_names": {kind: count for kind, count in about_names.items() if count},
            "dropped": dropped_rows,
            "asked_about": kept,
        },
        "values": {
            "taken": store.count("value"),
            "dropped": dropped_values,
            "kept": store.count("object"),
        },
        "entities": int(store.one("SELECT count(DISTINCT sid) FROM subject")[0]),
        "relations": {
            role: int(count)
            for role, count in store.con.execute(
                "SELECT role, count(*) FROM relation GROUP BY role ORDER BY role"
            ).fetchall()
        },
        "changing": {
            rel: int(rows)
            for rel, rows in store.con.execute(
                "SELECT rel, count(*) FROM raw JOIN relation USING (p) WHERE relation.changing"
                " GROUP BY rel ORDER BY count(*) DESC, rel"
            ).fetchall()
        },
        "held_out_relations": [
            rel for (rel,) in store.con.execute("SELECT rel FROM held_out ORDER BY 1").fetchall()
        ],
        "facts": int(store.one("SELECT count(*) FROM (SELECT DISTINCT sid, rid FROM object)")[0]),
        "leakage": leakage(store, languages),
        "languages": per_language,
    }


def _language(store: Store, language: Language) -> dict[str, Any]:
    def by(column: str) -> dict[str, int]:
        found = store.con.execute(
            f"SELECT {column}, sum(n) AS total FROM asked WHERE language = ?"
            f" GROUP BY {column} ORDER BY total DESC, {column}",
            [language],
        ).fetchall()
        return {key: int(total) for key, total in found}

    splits = by("split")
    return {
        "questions": sum(splits.values()),
        "splits": splits,
        "relations": by("rel"),
        "dropped": _dropped(store, f"{language} questions"),
    }


def _dropped(store: Store, stage: str) -> dict[str, dict[str, Any]]:
    found = store.con.execute(
        """
        SELECT reason, sum(n), list_sort(flatten(list(samples)))[:5] FROM dropped
        WHERE stage = ? GROUP BY reason ORDER BY sum(n) DESC, reason
        """,
        [stage],
    ).fetchall()
    return {reason: {"count": int(n), "samples": samples} for reason, n, samples in found}


def _sum(dropped: dict[str, dict[str, Any]]) -> int:
    return sum(int(entry["count"]) for entry in dropped.values())
