"""Entities: one thing however many names, so that no fact about it is in two splits.

In sources without ids, entities that share a name (another name of one, a name in other characters,
case or width, or without its qualifier) stand in one component, and components are what is split. A
name that many bear joins nothing. That two namesakes stand in one component harms nothing; that one
thing stands in two would let the test split ask what was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from kg_builder.bulk.script import traditional_ideographs
from kg_builder.bulk.store import Store
from kg_builder.cleaning import quoted
from kg_builder.matching.normalise import fold
from kg_builder.question import Language, Split
from kg_builder.splits import PRECEDENCE, Shares, split_of

MOST_BEARERS = 20  # a name of more entities is a word
SAME_FACT = "the same fact under another name of its subject"
_FOLDED = pa.schema([("raw", pa.string()), ("folded", pa.string())])
_UNITED = pa.schema([("sid", pa.int32()), ("root", pa.int32()), ("split", pa.string())])
_RANKS = " ".join(f"WHEN {quoted(split)} THEN {rank}" for split, rank in PRECEDENCE.items())


def unite_entities(store: Store, shares: Shares, seed: int) -> None:
    """Fill ``bearer`` (who is called what), ``united`` (the component and split of each entity) and
    ``twin`` (pairs that may be one thing)."""
    con = store.con
    con.execute(
        """
        CREATE TEMP TABLE called_so AS
        SELECT DISTINCT sid, name, trusted FROM (
            SELECT sid, trusted, unnest(CASE WHEN trusted THEN [zh_bare] ELSE [zh_bare, en_bare] END) AS name
            FROM subject WHERE NOT ids AND fault IS NULL
            UNION ALL
            SELECT sid, trusted, unnest(coalesce(zh_names, [])
                || CASE WHEN trusted THEN [] ELSE coalesce(en_names, []) END)
            FROM alias JOIN (SELECT DISTINCT sid, trusted FROM subject WHERE NOT ids) USING (sid)
        ) WHERE name IS NOT NULL
        """
    )
    _fold_names(store)
    con.execute(
        # In tables written for us the book《黄鹤楼》and the tower have names that tell them apart.
        """
        CREATE TABLE bearer AS
        SELECT DISTINCT coalesce(folded, name) AS name, sid FROM called_so
        LEFT JOIN folded ON raw = name AND NOT trusted WHERE length(coalesce(folded, name)) >= 2
        """
    )
    groups = con.execute(
        "SELECT list(sid ORDER BY sid) FROM bearer GROUP BY name"
        f" HAVING count(*) BETWEEN 2 AND {MOST_BEARERS}"
    ).fetchall()
    _write_components(store, components(sids for (sids,) in groups), shares, seed)
    con.execute(
        f"""
        CREATE TABLE twin AS
        WITH few AS (SELECT name FROM bearer GROUP BY name HAVING count(*) BETWEEN 2 AND {MOST_BEARERS}),
        named AS (SELECT bearer.*, entity.id LIKE '%）' AS qualified
            FROM bearer SEMI JOIN few USING (name) JOIN entity USING (sid))
        SELECT DISTINCT a.sid, b.sid AS other FROM named AS a JOIN named AS b USING (name)
        WHERE a.sid <> b.sid AND NOT (a.qualified AND b.qualified)
        """
    )
    con.execute("DROP TABLE called_so")


def components(groups: Iterable[Sequence[int]]) -> dict[int, int]:
    """The least member of the component of each member of a group; groups that overlap are one.

    >>> components([[1, 2], [4, 5], [2, 3]])
    {1: 1, 2: 1, 4: 4, 5: 4, 3: 1}
    """
    above: dict[int, int] = {}

    def top(one: int) -> int:
        above.setdefault(one, one)
        while above[one] != one:
            above[one] = above[above[one]]
            one = above[one]
        return one

    for first, *others in groups:
        for other in others:
            low, high = sorted((top(first), top(other)))
            above[high] = low
    return {one: top(one) for one in list(above)}


def _write_components(store: Store, roots: dict[int, int], shares: Shares, seed: int) -> None:
    """``united``: an entity of no component keeps the split that its own id gives."""
    con = store.con
    first = {}
    if roots:
        tops = sorted(set(roots.values()))
        con.register("tops", pa.table({"sid": pa.array(tops, pa.int32())}))
        first = dict(
            con.execute("SELECT sid, id FROM entity SEMI JOIN tops USING (sid)").fetchall()
        )
        con.unregister("tops")
    splits: dict[int, Split] = {sid: split_of(name, shares, seed) for sid, name in first.items()}
    members = sorted(roots)
    incoming = pa.table(
        {
            "sid": members,
            "root": [roots[one] for one in members],
            "split": [splits[roots[one]] for one in members],
        },
        schema=_UNITED,
    )
    con.register("incoming", incoming)
    con.execute(
        """
        CREATE TABLE united AS
        SELECT entity.sid, coalesce(incoming.root, entity.sid) AS root,
            coalesce(incoming.split, own.split) AS split
        FROM entity LEFT JOIN incoming USING (sid)
        LEFT JOIN (SELECT sid, min(split) AS split FROM subject GROUP BY sid) AS own USING (sid)
        """
    )
    con.unregister("incoming")


def _fold_names(store: Store) -> None:
    """``folded``: names and values that have another spelling of their letters, and the one they share."""
    plain = r"^[\x{4e00}-\x{9fff}]+$"
    traditional = f"[{traditional_ideographs()}]"
    con = store.con
    con.execute("CREATE TABLE folded (raw VARCHAR, folded VARCHAR)")
    found = con.sql(
        f"""
        SELECT DISTINCT name FROM (
            SELECT name FROM called_so UNION ALL SELECT o FROM value WHERE NOT ref AND fault IS NULL
                AND answer NOT IN ('date', 'number')
        ) WHERE NOT regexp_matches(name, {quoted(plain)})
            OR regexp_matches(name, {quoted(traditional)})
        """
    ).to_arrow_table()
    for batch in found.to_batches(max_chunksize=100_000):
        raw = batch.column(0).to_pylist()
        folded = ["".join(fold(name).split()) or name for name in raw]
        con.register("incoming", pa.table({"raw": raw, "folded": folded}, schema=_FOLDED))
        con.execute("INSERT INTO folded SELECT * FROM incoming")
        con.unregister("incoming")


def find_leaks(store: Store) -> None:
    """Fill ``leak``: facts whose reverse is told in a split that goes first, whatever name the object
    bears; and ``same``: facts that another name of the subject is told of as well. See splits.py.
    """
    store.con.execute(
        f"""
        CREATE TABLE mention AS
        WITH rooted AS (
            SELECT bearer.name, min(root) AS root FROM bearer JOIN united USING (sid)
            GROUP BY bearer.name HAVING count(DISTINCT root) = 1
        )
        SELECT DISTINCT object.sid, rid, one.root AS source, coalesce(two.root, rooted.root) AS target,
            CASE one.split {_RANKS} END AS rank
        FROM object JOIN united AS one USING (sid)
        LEFT JOIN united AS two ON two.sid = oid
        LEFT JOIN folded ON raw = coalesce(zh, en)
        LEFT JOIN rooted ON rooted.name = coalesce(folded, zh, en)
        WHERE coalesce(two.root, rooted.root) IS NOT NULL
            AND coalesce(two.root, rooted.root) <> one.root
        """
    )
    store.con.execute(
        """
        CREATE TABLE leak AS
        SELECT DISTINCT one.sid, one.rid FROM mention AS one
        JOIN mention AS other ON other.source = one.target AND other.target = one.source
        WHERE one.rank < other.rank
        """
    )
    store.con.execute(
        """
        CREATE TABLE same AS
        WITH told AS (
            SELECT sid, rid, list(key ORDER BY key) AS keys FROM object
            SEMI JOIN twin USING (sid) GROUP BY sid, rid
        ), sure AS (SELECT sid FROM subject GROUP BY sid HAVING NOT bool_or(zh_ambiguous))
        SELECT DISTINCT twin.sid, a.rid FROM twin
        JOIN told AS a ON a.sid = twin.sid
        JOIN told AS b ON b.sid = twin.other AND b.rid = a.rid AND b.keys = a.keys
        JOIN sure ON sure.sid = twin.other
        WHERE twin.other < twin.sid
        """
    )


def leakage(store: Store, languages: Sequence[Language]) -> dict[str, int]:
    """How many entities share names, and how much of what is asked stands in two splits: 0 if all is well."""
    entities, together, largest = store.one(
        "SELECT coalesce(sum(n), 0), count(*), coalesce(max(n), 0)"
        " FROM (SELECT count(*) AS n FROM united GROUP BY root HAVING count(*) > 1)"
    )
    kept = " UNION ALL ".join(f"SELECT sid, rid, split FROM askable_{one}" for one in languages)
    (apart,) = store.one(
        f"SELECT count(*) FROM (SELECT root FROM ({kept}) AS kept JOIN united USING (sid)"
        " GROUP BY root HAVING count(DISTINCT kept.split) > 1)"
    )
    (reverse,) = store.one(
        f"""
        WITH told AS (SELECT DISTINCT kept.split, source, target FROM ({kept}) AS kept
            JOIN mention USING (sid, rid))
        SELECT count(*) FROM told AS one JOIN told AS other
            ON other.source = one.target AND other.target = one.source AND other.split <> one.split
        """
    )
    return {
        "entities_that_share_names": int(entities),
        "components_of_them": int(together),
        "largest_component": int(largest),
        "components_in_several_splits": int(apart),
        "reverse_facts_in_several_splits": int(reverse),
    }
