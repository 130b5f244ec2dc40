import json
from pathlib import Path
from typing import Any

import pytest

from kg_builder.sources.jsonlines import JsonLines
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import LABEL, POPULARITY
from kg_builder.sources.spec import SourceSpec

PLAIN = {"question": "…", "s": "机械设计基础", "p": "作者", "o": "杨可桢"}
NAMED = {
    "qid": "Q1", "pid": "P19", "s_zh": "萧何", "s_en": "Xiao He", "p_zh": "出生地",
    "p_en": "place of birth", "o_zh": ["丰县"], "o_en": ["Feng County"], "sitelinks": 19,
}  # fmt: skip


def read(
    folder: Path, records: list[Any], **spec: object
) -> tuple[JsonLines, list[dict[str, Any]], ReadReport]:
    path = folder / "facts.jsonl"
    lines = (
        one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in records
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    source = JsonLines(SourceSpec.model_validate({"location": str(path), **spec}))
    report = ReadReport(source.name, 1.0)
    rows = [one for batch in source.batches(report) for one in batch.to_pylist()]
    return source, rows, report


def test_names_only(tmp_path: Path) -> None:
    source, rows, _ = read(tmp_path, [PLAIN])
    assert not source.ids
    assert [(r["s"], r["p"], r["o"]) for r in rows] == [("机械设计基础", "作者", "杨可桢")]


def test_other_names_of_the_fields(tmp_path: Path) -> None:
    _, rows, _ = read(tmp_path, [{"head": "a", "relation": "b", "tail": ["c", "d"]}])
    assert [(r["s"], r["p"], r["o"], r["n"]) for r in rows] == [
        ("a", "b", "c", 0),
        ("a", "b", "d", 1),
    ]
    _, rows, _ = read(
        tmp_path, [{"x": "a", "y": "b", "z": 7}], fields={"s": "x", "p": "y", "o": "z"}
    )
    assert [(r["s"], r["p"], r["o"]) for r in rows] == [("a", "b", "7")]


def test_ids_with_names_in_both_languages(tmp_path: Path) -> None:
    again = {**NAMED, "o_zh": ["丰县", "X"], "o_en": ["A", "B", "X"]}
    source, rows, _ = read(tmp_path, [NAMED, again])
    assert source.ids
    about = [
        (r["s"], r["p"], r["o"], r["zh"], r["en"]) for r in rows if r["p"] in (LABEL, POPULARITY)
    ]
    assert about == [
        ("Q1", LABEL, "", "萧何", None),
        ("Q1", LABEL, "", None, "Xiao He"),
        ("Q1", POPULARITY, "19", None, None),
        ("P19", LABEL, "", "出生地", None),
        ("P19", LABEL, "", None, "place of birth"),
    ]
    facts = [(r["o"], r["zh"], r["en"], r["n"]) for r in rows if r["p"] == "P19"]
    assert facts == [
        ("丰县", "丰县", "Feng County", 0),
        ("丰县", "丰县", None, 0),
        ("X", None, None, 1),
        ("A", None, "A", 2),
        ("B", None, "B", 3),
    ]


def test_lines_that_are_no_fact_are_counted(tmp_path: Path) -> None:
    records = [PLAIN, "{broken", "[1]", {**PLAIN, "s": ""}, {**PLAIN, "o": None},
               {**PLAIN, "o": {"a": 1}}, {**PLAIN, "p": None}]  # fmt: skip
    _, rows, report = read(tmp_path, records)
    assert len(rows) == 1
    assert report.rows == 7
    assert report.bad.counts == {
        "not a JSON object": 2,
        "no subject": 1,
        "no object": 1,
        "field o is neither text nor a list of texts": 1,
        "no relation": 1,
    }


def test_a_file_without_the_fields_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no field for the s .* among a, b"):
        read(tmp_path, [{"a": 1, "b": 2}])
    with pytest.raises(SourceError, match=r"fields \['who'\]"):
        read(tmp_path, [PLAIN], fields={"who": "s"})
