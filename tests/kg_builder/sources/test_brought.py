"""Files as people bring them: each is read, or one line says what to do."""

from pathlib import Path

import pytest

from kg_builder.build import BuildSettings, build
from kg_builder.files import read_jsonl
from kg_builder.outcome import is_poor, outcome_lines
from kg_builder.sources.encoding import encoding_of
from kg_builder.sources.report import SourceError
from kg_builder.sources.spec import SourceSpec

GRAPHS = Path(__file__).resolve().parents[2] / "data" / "graphs"
TEXT = "實體,屬性,值\n法國,首都,巴黎\n紅樓夢,作者,曹雪芹\n蘇軾,父親,蘇洵\n"


def asked(path: Path, out: Path, **spec: object) -> tuple[set[tuple[str, str]], dict[str, object]]:
    """Question texts with their first answers, and the report."""
    source = SourceSpec.model_validate({"location": str(path), **spec})
    settings = BuildSettings(sources=(source,), languages=("zh", "en"), passages=False)
    counts = build(settings, out).counts
    found = {
        (one["text"], one["gold"]["objects"][0][0]) for one in read_jsonl(out / "questions.jsonl")
    }
    return found, counts


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gbk.csv", {("法国的首都是?", "巴黎"), ("《红楼梦》的作者是?", "曹雪芹")}),
        ("utf16.txt", {("岳云的父亲是?", "岳飞"), ("《水浒传》的作者是?", "施耐庵")}),
        ("graph.xlsx", {("岳云的父亲是?", "岳飞"), ("法国的首都是?", "巴黎")}),
        ("headerless-4col.csv", {("法国的首都是?", "巴黎"), ("德国的首都是?", "柏林")}),
        ("wide.csv", {("法国的首都是?", "巴黎"), ("德国的货币是?", "欧元")}),
        ("wide.tsv", {("加纳的首都是?", "阿克拉"), ("不丹的官方语言是?", "宗喀语")}),
        ("x_jsonarr.json", {("不丹的首都是?", "廷布"), ("《红楼梦》的作者是?", "曹雪芹")}),
        ("dbp.nt", {("苏轼的朝代是?", "北宋"), ("苏轼的出生地是?", "眉山"),
                    ("When was Alan Turing born?", "June 23, 1912")}),
        ("dbp.ttl", {("泰山的海拔高度是?", "1532.7米"), ("鲁迅的出生日期是?", "1881年9月25日"),
                     ("《阿Q正传》的作者是?", "鲁迅")}),
    ],
)  # fmt: skip
def test_what_people_bring_is_read(tmp_path: Path, name: str, wanted: set[tuple[str, str]]) -> None:
    found, _ = asked(GRAPHS / name, tmp_path)
    assert wanted <= found


def test_a_contradiction_between_columns_is_not_asked(tmp_path: Path) -> None:
    found, _ = asked(GRAPHS / "wide.csv", tmp_path)
    assert "德国的首都是?" not in {text for text, _ in found}


@pytest.mark.parametrize(
    ("name", "line"),
    [("apoc.csv", "DIRECTED | 1 → --unknown all"), ("head_tail_label.csv", "number or a date")],
)
def test_where_nothing_can_be_asked_a_line_says_why(tmp_path: Path, name: str, line: str) -> None:
    _, counts = asked(GRAPHS / name, tmp_path)
    assert is_poor(counts)
    assert [one for one in outcome_lines(counts) if line in one and "→" in one]


def test_nodes_and_relationships_of_neo4j(tmp_path: Path) -> None:
    nodes, edges = tmp_path / "nodes.csv", tmp_path / "edges.csv"
    nodes.write_text("id:ID,name,:LABEL\n1,红高粱,Movie\n2,张艺谋,Person\n", encoding="utf-8")
    edges.write_text(":START_ID,:END_ID,:TYPE\n1,2,导演\n", encoding="utf-8")
    settings = BuildSettings(
        sources=(SourceSpec(location=str(nodes)), SourceSpec(location=str(edges)))
    )
    build(settings, tmp_path / "out")
    (one,) = read_jsonl(tmp_path / "out" / "questions.jsonl")
    assert (one["text"], one["gold"]["objects"][0][0]) == ("《红高粱》的导演是?", "张艺谋")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("five.csv", "head,head_type,relation,tail,tail_type\n法国,国家,首都,巴黎,城市\n"),
        ("five.tsv", "1\t法国\t首都\t巴黎\t0.9\n2\t红楼梦\t作者\t曹雪芹\t0.8\n"),
        ("last.csv", "法国,巴黎,首都\n红楼梦,曹雪芹,作者\n德国,柏林,首都\n"),
        ("gephi.csv", "Source,Target,Type,Label\n法国,巴黎,Directed,首都\n"),
        ("lists.json", '[["法国", "首都", "巴黎"],\n ["红楼梦", "作者", "曹雪芹"]]'),
        ("under.json", '{\n "data": [\n  {"subject": "法国", "relation": "首都", "object": "巴黎"}\n ]\n}'),
        ("wide.json", '[{"name": "法国", "首都": "巴黎", "货币": ["欧元"]}]'),
    ],
)  # fmt: skip
def test_layouts_of_other_programs(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    found, _ = asked(tmp_path / name, tmp_path / "out")
    assert ("法国的首都是?", "巴黎") in found


def test_columns_that_nothing_tells_apart_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("a,b,c,d\n" * 3, encoding="utf-8")
    with pytest.raises(SourceError, match=r"4 columns.*--fields s=0,p=1,o=2"):
        asked(path, tmp_path / "out")
    path.write_text("巴黎,x,首都,法国\n柏林,y,首都,德国\n", encoding="utf-8")
    found, _ = asked(path, tmp_path / "out", fields={"s": "3", "p": "2", "o": "0"})
    assert ("法国的首都是?", "巴黎") in found


@pytest.mark.parametrize(
    ("encoding", "known"),
    [("big5", "big5hkscs"), ("utf-16-be", "utf-16-be"), ("utf-16", "utf-16"), ("utf-8", "utf-8")],
)
def test_encodings_are_told_by_their_bytes(encoding: str, known: str) -> None:
    assert encoding_of(TEXT.encode(encoding)) == known


def test_a_few_broken_lines_are_no_other_encoding() -> None:
    assert encoding_of("岳云,父亲,岳飞\n".encode() * 9 + b"\xff\xfe\xfd,b,c\n") == "utf-8"


def test_names_of_a_small_graph_mean_one_thing(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("东湖,所在城市,武汉\n王军,出生地,天津\n", encoding="utf-8")
    found, _ = asked(path, tmp_path / "kept")
    assert ("王军的出生地是?", "天津") in found
    settings = BuildSettings(sources=(SourceSpec(location=str(path)),), strict_names=True)
    assert build(settings, tmp_path / "strict").questions == 0
