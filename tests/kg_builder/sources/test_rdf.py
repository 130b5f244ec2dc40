import gzip
from pathlib import Path
from typing import Any

import pytest

from kg_builder.sources.rdf import Rdf
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY
from kg_builder.sources.spec import SourceSpec

TURTLE = """
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix schema: <http://schema.org/> .
@prefix wd: <http://www.wikidata.org/entity/> .
@prefix wdt: <http://www.wikidata.org/prop/direct/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
wd:Q142 rdfs:label "法国"@zh, "法蘭西"@zh-hant, "France"@en, "Frankreich"@de ;
    skos:altLabel "法兰西"@zh ; schema:description "西欧国家"@zh ;
    <http://wikiba.se/ontology#sitelinks> 380 ;
    a wd:Q6256 ; wdt:P36 wd:Q90 ; wdt:P571 "0843-08-10T00:00:00Z"^^xsd:dateTime ;
    wdt:P1082 68000000 ; wdt:P1448 "République française"@fr ; wdt:P625 [ wdt:P1 "x" ] .
wd:Q90 rdfs:label "巴黎"@zh .
"""
TRIPLES = """<http://x/s> <http://x/capital> <http://x/o> .
broken line
<http://x/s> <http://x/name> "\u6cd5\u56fd"@zh .
<http://x/s> <http://x/p> "unclosed .
"""


def read(path: Path, **spec: object) -> tuple[list[dict[str, Any]], ReadReport]:
    source = Rdf(SourceSpec.model_validate({"location": str(path), **spec}))
    report = ReadReport(source.name, 1.0)
    return [one for batch in source.batches(report) for one in batch.to_pylist()], report


@pytest.mark.parametrize("packed", [False, True])
def test_turtle(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("kg.ttl.gz" if packed else "kg.ttl")
    path.write_bytes(gzip.compress(TURTLE.encode()) if packed else TURTLE.encode())
    rows, report = read(path)
    found = {(r["s"], r["p"], r["o"], r["ref"], r["zh"], r["en"]) for r in rows}
    direct = "http://www.wikidata.org/prop/direct/"
    assert found == {
        ("Q142", LABEL, "", False, "法国", None),
        ("Q142", LABEL, "", False, None, "France"),
        ("Q142", ALIAS, "", False, "法蘭西", None),
        ("Q142", ALIAS, "", False, "法兰西", None),
        ("Q142", DESCRIPTION, "", False, "西欧国家", None),
        ("Q142", POPULARITY, "380", False, None, None),
        ("Q142", direct + "P36", "Q90", True, None, None),
        ("Q142", direct + "P571", "0843-08-10", False, None, None),
        ("Q142", direct + "P1082", "68000000", False, None, None),
        ("Q90", LABEL, "", False, "巴黎", None),
    }
    assert report.notes.total == 5  # German label, class, French text, the blank node's two


def test_chosen_properties(tmp_path: Path) -> None:
    path = tmp_path / "kg.ttl"
    path.write_text(TURTLE, encoding="utf-8")
    rows, _ = read(path, properties=["P36"])
    assert {r["p"].rsplit("/")[-1] for r in rows if not r["p"].startswith("@")} == {"P36"}


def test_a_broken_line_of_n_triples_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "kg.nt"
    path.write_text(TRIPLES, encoding="utf-8")
    rows, report = read(path)
    assert len(rows) == 2
    assert (report.rows, report.bad.counts) == (4, {"not a statement": 2})


def test_turtle_broken_half_way_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "kg.ttl"
    path.write_text(TURTLE + "wd:Q1 wd:broken", encoding="utf-8")
    rows, report = read(path)
    assert len(rows) == 10
    assert report.bad.total == 1
    path.write_text("this is no turtle", encoding="utf-8")
    with pytest.raises(SourceError, match="not Turtle"):
        read(path)
