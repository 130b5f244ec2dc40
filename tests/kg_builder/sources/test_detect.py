import gzip
import json
from pathlib import Path

import pytest

from kg_builder.relation import Catalogue
from kg_builder.sources.detect import detect, open_source, source_name, source_paths, table_paths
from kg_builder.sources.report import SourceError
from kg_builder.sources.spec import SourceSpec

ITEM = {"type": "item", "id": "Q1", "labels": {}, "claims": {}}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.tsv", "# comment\nname\ten\t首都\n法国\tFrance\t巴黎\n", "tables"),
        ("a.tsv", "法国\t首都\t巴黎\n", "triples"),
        ("a.csv", "实体,属性,值\n", "triples"),
        ("a.txt", "s ||| p ||| o\n", "triples"),
        ("a.json", '{"s": 1}\n', "jsonl"),
        ("a.jsonl", '\ufeff{"s": 1}\n', "jsonl"),
        ("dump.json", "[\n" + json.dumps(ITEM) + ",\n]", "wikidata"),
        ("dump.ndjson", json.dumps(ITEM), "wikidata"),
        ("a.nt.gz", "<a> <b> <c> .", "rdf"),
        ("a.ttl", "", "rdf"),
        ("a", "@prefix x: <http://x/> .", "rdf"),
        ("a", "<http://x/s> <http://x/p> <http://x/o> .", "rdf"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_formats(tmp_path: Path, name: str, content: str, kind: str, packed: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    assert detect(str(path)) == kind


def test_places_that_are_no_file(tmp_path: Path) -> None:
    assert detect("embedded") == "embedded"
    assert detect("https://query.example.org/sparql") == "sparql"
    assert detect(str(tmp_path)) == "tables"
    assert source_paths(SourceSpec(location="http://x/")) == []


def test_what_is_missing_or_empty_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        detect(str(tmp_path / "absent.csv"))
    (tmp_path / "empty.csv").write_text("\n", encoding="utf-8")
    with pytest.raises(SourceError, match="empty"):
        detect(str(tmp_path / "empty.csv"))
    with pytest.raises(SourceError, match=r"no \.tsv file"):
        table_paths(SourceSpec(location=str(_bare(tmp_path))))


def _bare(folder: Path) -> Path:
    (folder / "bare").mkdir()
    return folder / "bare"


def test_a_named_format_wins(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("name\tp\to\n", encoding="utf-8")
    source = open_source(SourceSpec(location=str(path), format="triples", name="mine"), Catalogue())
    assert (type(source).__name__, source.name) == ("Triples", "mine")
    assert source_name(SourceSpec(location="/x/facts.jsonl.gz")) == "facts"
