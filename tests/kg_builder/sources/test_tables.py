from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg_builder.relation import Catalogue, Relation
from kg_builder.sources.report import SourceError, TooManyBadRows
from kg_builder.sources.tables import TableGraph, read_tables

HEADER = "name\ten\taliases\ttier\t首都\t货币\n"
FRANCE = "法国\tFrance\t法兰西|French Republic\t1\t巴黎\t欧元\n"


def relation(identity: str, zh: str, **more: object) -> Relation:
    return Relation.model_validate(
        {
            "id": identity,
            "zh": zh,
            "en": identity,
            "zh_questions": [f"{{s}}的{zh}是?"],
            "en_questions": [f"What is the {identity} of {{s}}?"],
            "zh_statements": [f"{{s}}的{zh}是{{o}}"],
            "en_statements": [f"The {identity} of {{s}} is {{o}}"],
            **more,
        }
    )


CATALOGUE = Catalogue([relation("capital", "首都"), relation("currency", "货币", values="many")])


def read(folder: Path, *tables: str | bytes, **options: float) -> TableGraph:
    paths = []
    for number, table in enumerate(tables):
        path = folder / f"{number}.tsv"
        path.write_bytes(table.encode() if isinstance(table, str) else table)
        paths.append(path)
    return read_tables(paths, CATALOGUE, **options)  # type: ignore[arg-type]


def test_a_row_becomes_an_entity_and_its_facts(tmp_path: Path) -> None:
    graph = read(tmp_path, HEADER + FRANCE, "name\ten\taliases\n巴黎\tParis\t花都\n").graph
    france = graph.entities["法国"]
    assert france.labels == {"zh": "法国", "en": "France"}
    assert france.aliases == {"zh": ("法兰西",), "en": ("French Republic",)}
    assert france.popularity == 5
    capital, currency = graph.facts_of("法国")
    assert capital.relation_id == "capital"
    assert capital.objects[0].names("en") == ("Paris", "巴黎", "花都")
    assert currency.objects[0].names("zh") == ("欧元",)
    assert graph.entities["巴黎"].popularity is None


def test_several_values_and_an_object_written_by_its_alias(tmp_path: Path) -> None:
    row = "甲国\tA\t\t\t花都\t金元|银元|金元\n"
    graph = read(tmp_path, HEADER + row, "name\ten\taliases\n巴黎\tParis\t花都\n").graph
    capital, currency = graph.facts_of("甲国")
    assert capital.objects[0].id == "巴黎"
    assert capital.objects[0].names("zh") == ("花都", "巴黎", "Paris")
    assert [one.id for one in currency.objects] == ["金元", "银元"]


def test_duplicates_are_merged_and_counted(tmp_path: Path) -> None:
    again = "法国\tFrench Republic\t高卢\t2\t巴黎\t法郎\n"
    read_graph = read(tmp_path, HEADER + FRANCE, HEADER + again)
    graph, notes = read_graph.graph, read_graph.report.notes.counts
    assert len(graph.entities) == 1
    assert len(graph) == 2
    assert [one.id for one in graph.facts[1].objects] == ["欧元", "法郎"]
    assert graph.entities["法国"].aliases["zh"] == ("法兰西", "高卢")
    assert notes["duplicate fact merged"] == 1
    assert notes["en differs between rows: the first is kept"] == 1
    assert notes["tier differs between rows: the first is kept"] == 1


def test_malformed_rows_are_counted_with_their_place(tmp_path: Path) -> None:
    bad = "德国\tGermany\n\tX\t\t\tY\t\n意大利\tItaly\t\t9\t罗马\t\n西\x00班牙\t\t\t\t\t\n".encode()
    table = (HEADER + FRANCE).encode() + bad + b"\xff\xfe\tX\t\t\t\t\n"
    report = read(tmp_path, table, max_bad_share=1).report
    assert report.rows == 6
    assert report.bad.counts == {
        "wrong number of cells": 1,
        "empty name": 1,
        "tier is not 1 to 5": 1,
        "NUL character": 1,
        "not UTF-8": 1,
    }
    assert report.bad.samples["wrong number of cells"] == ["0.tsv, row 3: 2 cells, 6 columns"]
    assert report.bad.samples["tier is not 1 to 5"] == ["0.tsv, row 5, column tier: '9'"]


def test_one_typo_in_a_small_table_is_no_ruin_but_many_are(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + FRANCE + "德国\n").report.bad.total == 1
    with pytest.raises(TooManyBadRows, match=r"2 of 3 rows.*\n.*wrong number of cells"):
        read(tmp_path, HEADER + FRANCE + "德国\n意大利\n")


def test_comments_bom_crlf_and_blank_lines(tmp_path: Path) -> None:
    table = "\ufeff# a comment\r\n" + HEADER.replace("\n", "\r\n") + "\r\n" + FRANCE + "#x\n"
    assert len(read(tmp_path, table).graph) == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "no header"),
        ("en\ttier\n", "no column 'name'"),
        ("name\t首都\t首都\n", "'首都' occurs twice"),
        ("name\t\n", "column 2 of the header is empty"),
        (b"name\t\xff\n", "not UTF-8"),
    ],
)
def test_headers_that_cannot_be_right(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(tmp_path, table)


def test_a_missing_file_and_an_empty_graph(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_tables([tmp_path / "absent.tsv"], CATALOGUE)
    empty = read(tmp_path, HEADER).graph
    assert (len(empty), empty.subjects) == (0, ())


def test_an_unknown_column_is_worded_generically_and_noted(tmp_path: Path) -> None:
    result = read(tmp_path, "name\t国花\n法国\t鸢尾花\n")
    assert result.graph.facts[0].relation_id == "国花"
    assert result.report.notes.total == 1


@given(rows=st.lists(st.binary(max_size=30), max_size=8))
def test_no_bytes_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes]
) -> None:
    table = (HEADER + FRANCE).encode() + b"\n".join(rows)
    result = read(tmp_path_factory.mktemp("fuzz"), table, max_bad_share=1)
    assert len(result.graph.facts_of("法国")) >= 1
    assert result.report.bad.total <= result.report.rows
