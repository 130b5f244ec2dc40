import csv
import json
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

from opencc import OpenCC

from kg_builder.build import BuildSettings, build
from kg_builder.bulk.entities import SAME_FACT, components
from kg_builder.sources.spec import SourceSpec

GRAPH = Path(__file__).resolve().parents[2] / "data" / "graphs" / "leak_alias_reverse.csv"
to_simplified = OpenCC("t2s").convert


def plain(name: str) -> str:
    name = to_simplified(unicodedata.normalize("NFKC", name)).lower().strip("《》")
    return name.partition("(")[0]


def top(above: dict[str, str], name: str) -> str:
    while above.setdefault(name, name) != name:
        name = above[name]
    return name


def test_no_fact_about_one_entity_is_in_two_splits(tmp_path: Path) -> None:
    settings = BuildSettings(
        sources=(SourceSpec(location=str(GRAPH)),), passages=False, strict_names=False
    )
    counts = build(settings, tmp_path).counts
    above: dict[str, str] = {}
    with GRAPH.open(encoding="utf-8") as file:
        for s, p, o in csv.reader(file):
            if p == "别名":
                above[top(above, plain(s))] = top(above, plain(o))
    splits: dict[str, set[str]] = defaultdict(set)
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    with (tmp_path / "questions.jsonl").open(encoding="utf-8") as file:
        questions: list[dict[str, Any]] = [json.loads(line) for line in file]
    for one in questions:
        subject = top(above, plain(one["subject"]))
        splits[subject].add(one["split"])
        for names in one["gold"]["objects"]:
            for name in names:
                told[subject, top(above, plain(name))].add(one["split"])
    assert len(questions) > 500
    assert not [name for name, found in splits.items() if len(found) > 1]
    assert not [
        pair
        for pair, found in told.items()
        if pair[0] != pair[1] and told.get(pair[::-1], found) != found
    ]
    assert counts["leakage"]["entities_that_share_names"] > 500
    assert counts["leakage"]["components_in_several_splits"] == 0
    assert counts["leakage"]["reverse_facts_in_several_splits"] == 0
    assert counts["languages"]["zh"]["dropped"][SAME_FACT]["count"] > 100


def test_groups_that_overlap_are_one_component() -> None:
    assert components([[3, 1], [5, 6], [1, 6], [8, 9]]) == {3: 1, 1: 1, 5: 1, 6: 1, 8: 8, 9: 8}
    assert components([]) == {}
