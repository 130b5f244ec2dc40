import bz2
import json
from pathlib import Path
from typing import Any

import pytest

from kg_builder.relation import Catalogue
from kg_builder.sources.report import ReadReport
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY
from kg_builder.sources.spec import SourceSpec
from kg_builder.sources.wikidata import WikidataDump, iso_date


def text(value: str, language: str = "zh") -> dict[str, str]:
    return {"language": language, "value": value}


def claim(kind: str, value: Any, rank: str = "normal", **more: Any) -> dict[str, Any]:
    return {
        "rank": rank,
        "mainsnak": {"snaktype": "value", "datavalue": {"type": kind, "value": value}},
        **more,
    }


def item(identity: str, zh: str, claims: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "item", "id": identity, "labels": {"zh": text(zh)}, "claims": claims, **more}


def time(value: str, precision: int) -> dict[str, Any]:
    return {"time": value, "precision": precision, "calendarmodel": "…"}


XIAO_HE = item(
    "Q1368034",
    "蕭何",
    {
        "P19": [claim("wikibase-entityid", {"id": "Q1", "entity-type": "item"})],
        "P570": [claim("time", time("-0193-00-00T00:00:00Z", 9))],
        "P569": [{"rank": "normal", "mainsnak": {"snaktype": "somevalue"}}],
        "P2048": [
            claim("quantity", {"amount": "+1.8", "unit": "http://www.wikidata.org/entity/Q11573"})
        ],
        "P1082": [
            claim("quantity", {"amount": "+10", "unit": "1"}, "preferred"),
            claim("quantity", {"amount": "+9", "unit": "1"}),
        ],
        "P26": [
            claim("wikibase-entityid", {"numeric-id": 5}, qualifiers={"P582": []}),
            claim("wikibase-entityid", {"numeric-id": 6}),
            claim("wikibase-entityid", {"numeric-id": 7}, "deprecated"),
        ],
        "P625": [claim("globecoordinate", {"latitude": 1})],
        "P999": [claim("string", "not chosen")],
    },
    aliases={"zh": [text("酇侯")], "en": [text("Hsiao Ho", "en")]},
    descriptions={"zh": text("西汉丞相")},
    sitelinks={"zhwiki": {}, "enwiki": {}},
)
XIAO_HE["labels"] |= {"zh-hans": text("萧何", "zh-hans"), "en": text("Xiao He", "en")}
PAGE = item("Q2", "列表", {"P31": [claim("wikibase-entityid", {"id": "Q13406463"})]})
PROPERTIES = ("P19", "P570", "P569", "P2048", "P1082", "P26", "P625")


def read(path: Path, lines: list[str], **spec: Any) -> tuple[list[dict[str, Any]], ReadReport]:
    path.write_bytes(bz2.compress("\n".join(lines).encode()))
    dump = WikidataDump(SourceSpec(location=str(path), **spec), Catalogue())
    report = ReadReport(dump.name, 1.0)
    return [one for batch in dump.batches(report) for one in batch.to_pylist()], report


def test_an_item_of_the_dump(tmp_path: Path) -> None:
    lines = ["[", json.dumps(XIAO_HE) + ",", json.dumps(PAGE) + ",", '{"id": 3},', "{", "]"]
    rows, report = read(tmp_path / "d.json.bz2", lines, properties=PROPERTIES)
    found = [(r["p"], r["o"], r["ref"], r["zh"], r["en"]) for r in rows]
    assert found == [
        (LABEL, "", False, "萧何", None),
        (LABEL, "", False, None, "Xiao He"),
        (ALIAS, "", False, "蕭何", None),
        (ALIAS, "", False, "酇侯", None),
        (ALIAS, "", False, None, "Hsiao Ho"),
        (DESCRIPTION, "", False, "西汉丞相", None),
        (POPULARITY, "2", False, None, None),
        ("P1082", "10", False, None, None),
        ("P19", "Q1", True, None, None),
        ("P2048", "1.8米", False, "1.8米", "1.8 metres"),
        ("P26", "Q6", True, None, None),
        ("P570", "-0192", False, None, None),
    ]
    assert report.rows == 4
    assert report.bad.counts == {"an entity without an id": 1, "not a JSON object": 1}
    assert sum(report.notes.counts.values()) == 5


def test_entities_in_another_form_are_counted(tmp_path: Path) -> None:
    odd = [
        item("Q1", "a", {"P19": [{"rank": "normal"}]}),
        item("Q2", "b", {"P19": 3}),
        {"id": "Q3", "labels": 7},
        item("Q4", "d", {"P570": [claim("time", time("soon", 9))]}),
    ]
    rows, report = read(tmp_path / "d", [json.dumps(one) for one in odd], properties=PROPERTIES)
    assert report.bad.counts == {"an entity that is not in the documented form": 4}
    assert rows == []


@pytest.mark.parametrize(
    ("value", "precision", "expected"),
    [
        ("+1706-01-17T00:00:00Z", 11, "1706-01-17"),
        ("+1706-01-00T00:00:00Z", 10, "1706-01"),
        ("+1706-00-00T00:00:00Z", 9, "1706"),
        ("-0193-00-00T00:00:00Z", 9, "-0192"),
        ("+1750-00-00T00:00:00Z", 7, "18世纪"),
        ("-0250-00-00T00:00:00Z", 7, "公元前3世纪"),
        ("+1750-00-00T00:00:00Z", 6, None),
    ],
)
def test_times(value: str, precision: int, expected: str | None) -> None:
    assert iso_date(value, precision) == expected
