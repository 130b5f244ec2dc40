import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from kg_builder.build import BuildSettings, build
from kg_builder.bulk.parts import parts_of
from kg_builder.bulk.store import Store, StoreError
from kg_builder.card import write_card
from kg_builder.files import read_jsonl
from kg_builder.passage import Passage
from kg_builder.question import Question
from kg_builder.sources.report import SourceError, TooManyBadRows
from kg_builder.sources.spec import SourceSpec

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
OWNTHINK = """实体,属性,值
李娜[网球运动员],国籍,中国[1]
李娜[歌手],国籍,中国
李娜[歌手],出生日期,1963-07-25
高老庄传奇,国籍,中国
苹果,颜色,红
红楼梦研究集刊,出版社,《上海古籍出版社》
红楼梦研究集刊,主编,甲一、乙二等
红楼梦研究集刊,主编,"丙三,丁四"
长夜行路[小说],作者,丁五
红楼梦研究集刊,简介,一段很长的介绍
红楼梦研究集刊,定价,12元
红楼梦研究集刊,别名,红学集刊
红楼梦研究集刊,创刊时间,1979年
红楼梦研究集刊,创刊时间,1980年
上海古籍出版社,成立时间,1956年11月
上海古籍出版社,官网,http://www.guji.com.cn
上海古籍出版社,总部地点,上海
上海古籍出版社,英文名,Shanghai Classics
坏行
"""


def settings_for(path: Path, **more: Any) -> BuildSettings:
    spec = SourceSpec(location=str(path), max_bad_share=0.2)
    return BuildSettings.model_validate({"sources": [spec], "strict_names": True, **more})


@pytest.fixture
def ownthink(tmp_path: Path) -> Path:
    path = tmp_path / "ownthink.csv"
    path.write_text(OWNTHINK, encoding="utf-8")
    return path


def questions_of(folder: Path) -> list[Question]:
    return [Question.model_validate(one) for one in read_jsonl(folder / "questions.jsonl")]


def test_an_open_graph_becomes_clean_questions(ownthink: Path, tmp_path: Path) -> None:
    report = build(settings_for(ownthink), tmp_path / "out")
    asked = {(q.subject, q.relation): q for q in questions_of(tmp_path / "out")}
    assert asked["李娜（网球运动员）", "nationality"].text == "李娜（网球运动员）的国籍是?"
    assert asked["李娜（歌手）", "date_of_birth"].gold.objects == (
        ("1963年7月25日", "July 25, 1963"),
    )
    publisher = asked["红楼梦研究集刊", "publisher"]
    assert publisher.text == "《红楼梦研究集刊》的出版社是?"
    assert publisher.gold.objects == (("上海古籍出版社", "Shanghai Classics"),)
    assert asked["长夜行路（小说）", "author"].topic == "《长夜行路》（小说）的作者"
    editors = asked["红楼梦研究集刊", "editor"].gold.objects
    assert {names[0] for names in editors} == {"甲一", "乙二", "丙三", "丁四"}
    assert ("红楼梦研究集刊", "inception") not in asked  # 1979 and 1980 contradict each other
    assert ("上海古籍出版社", "headquarters") not in asked  # the answer is in the question
    told = report.counts
    assert set(told["rows"]["dropped"]) == {
        "a name that many bear",  # 苹果
        "relation: a text, not a fact",
        "relation: an image, a link or an address",
        "relation: changes over time",
        "used as another name of the subject",
    }
    assert set(told["languages"]["zh"]["dropped"]) == {
        "values of a single-valued relation contradict each other",
        "the answer is in the question",
        "the subject is no person, as the relation has it",
    }


def asked_of(rows: str, folder: Path, **more: Any) -> tuple[set[tuple[str, str]], dict[str, Any]]:
    """Subject and relation of every question from rows of an open graph, and the counts."""
    path = folder / "rows.csv"
    path.write_text("实体,属性,值\n" + rows, encoding="utf-8")
    report = build(settings_for(path, **more), folder / "out")
    return {(q.subject, q.relation) for q in questions_of(folder / "out")}, report.counts


def test_a_name_has_to_be_like_what_the_relation_is_told_of(tmp_path: Path) -> None:
    asked, told = asked_of(
        "格林,运动项目,足球\n格雷厄姆·格林,运动项目,网球\n长乐公主,民族,汉族\n"
        "申正义,就诊科室,内科\n偏头痛,就诊科室,神经内科\n"
        "某某集团公司,机场代码,abc\n白云山机场,机场代码,xyz\n春秋机场,机场代码,zyyj\n"
        "第九届奥运会,演唱者,甲一乙\n某某坦克,出品国家,法国\n",
        tmp_path,
    )
    assert asked == {
        ("格雷厄姆·格林", "sport"),
        ("偏头痛", "medical_specialty"),
        ("白云山机场", "iata_code"),
    }
    reasons = told["languages"]["zh"]["dropped"]
    assert reasons["a name that several people bear"]["count"] == 1  # 长乐公主
    assert told["rows"]["dropped"]["a name that many bear"]["count"] == 1  # 格林
    assert reasons["the subject is no disease, as the relation has it"]["count"] == 1
    assert told["values"]["dropped"]["not of the kind asked for"]["count"] == 1  # zyyj


def test_several_numbers_are_no_one_answer(tmp_path: Path) -> None:
    asked, _ = asked_of(
        "某型电池,最大容量,600mAh、800mAh\n某型灯泡,最大功率,9瓦\n某型水箱,最大容积,12升\n"
        '某型试验箱,最大容积,"20,040,060,080,010,000,000"\n',
        tmp_path,
        unknown_relations="all",
        strict_names=False,
    )
    assert ("某型水箱", "最大容积") in asked
    assert {"某型电池", "某型试验箱"}.isdisjoint(subject for subject, _ in asked)


def test_the_names_of_own_relations_mean_them(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        """[[relation]]
id = "my_era"
zh = "所处时代"
en = "era"
names = ["时代"]
zh_questions = ["{s}的所处时代是?"]
en_questions = ["In which era was {s}?"]
zh_statements = ["{s}处于{o}"]
en_statements = ["{s} was in {o}"]
""",
        encoding="utf-8",
    )
    rows = "某地遗址博物馆,时代,新石器晚期\n"
    assert asked_of(rows, tmp_path)[0] == set()  # 时代 may mean anything
    assert asked_of(rows, tmp_path, catalogue=[own])[0] == {("某地遗址博物馆", "my_era")}


def test_every_row_is_accounted_for(ownthink: Path, tmp_path: Path) -> None:
    told = build(settings_for(ownthink, languages=["zh", "en"]), tmp_path / "out").counts
    (source,) = told["sources"]
    malformed = sum(entry["count"] for entry in source["malformed"].values())
    assert (source["rows"], malformed) == (19, 1)
    rows = told["rows"]
    dropped = sum(entry["count"] for entry in rows["dropped"].values())
    assert rows["read"] == source["rows"] - malformed
    assert rows["read"] == rows["asked_about"] + dropped + sum(rows["about_names"].values())
    values = told["values"]
    assert values["taken"] == values["kept"] + sum(e["count"] for e in values["dropped"].values())
    for language in ("zh", "en"):
        one = told["languages"][language]
        unasked = sum(entry["count"] for entry in one["dropped"].values())
        assert one["questions"] + unasked == told["facts"]
        assert one["questions"] == sum(one["splits"].values()) == sum(one["relations"].values())


def test_a_build_writes_all_its_files(ownthink: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = build(settings_for(ownthink), out)
    assert {path.name for path in out.iterdir()} == {
        "README.md", "browse.html", "manifest.json", "passages.jsonl", "questions.jsonl",
        "report.json",
    }  # fmt: skip
    assert len(questions_of(out)) == report.questions > 0
    passages = [Passage.model_validate(one) for one in read_jsonl(out / "passages.jsonl")]
    assert {passage.title for passage in passages} >= {"李娜（歌手）", "上海古籍出版社"}
    page = (out / "browse.html").read_text(encoding="utf-8")
    assert page.count('{"id":"zh-') == report.questions


def test_the_same_build_is_not_done_twice(ownthink: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert not build(settings_for(ownthink), out).skipped
    assert build(settings_for(ownthink), out).skipped
    assert build(settings_for(ownthink, memory="2GB", threads=1), out).skipped
    assert not build(settings_for(ownthink, seed=1), out).skipped
    ownthink.write_text(OWNTHINK + "新的国,首都,新城\n", encoding="utf-8")
    assert not build(settings_for(ownthink, seed=1), out).skipped


def test_adding_rows_moves_no_entity(ownthink: Path, tmp_path: Path) -> None:
    build(settings_for(ownthink), tmp_path / "a")
    ownthink.write_text("国一,首都,城一\n" + OWNTHINK, encoding="utf-8")
    build(settings_for(ownthink), tmp_path / "b")
    before = {q.id: q.split for q in questions_of(tmp_path / "a")}
    after = {q.id: q.split for q in questions_of(tmp_path / "b")}
    assert before.items() <= after.items()


def test_fewer_questions_are_chosen_by_hash(ownthink: Path, tmp_path: Path) -> None:
    build(settings_for(ownthink), tmp_path / "all")
    told = build(settings_for(ownthink, max_questions=3), tmp_path / "few").counts
    few, every = questions_of(tmp_path / "few"), questions_of(tmp_path / "all")
    assert len(few) == told["questions"] == sum(told["languages"]["zh"]["splits"].values()) == 3
    assert {q.id for q in few} == set(sorted(q.id for q in every)[:3])


def test_sources_are_merged(ownthink: Path, tmp_path: Path) -> None:
    other = tmp_path / "more.tsv"
    other.write_text("上海古籍出版社\t创始人\t赵大\n", encoding="utf-8")
    settings = BuildSettings(
        sources=(
            SourceSpec(location=str(ownthink), max_bad_share=1),
            SourceSpec(location=str(other)),
        )
    )
    build(settings, tmp_path / "out")
    asked = {q.relation for q in questions_of(tmp_path / "out") if q.subject == "上海古籍出版社"}
    assert asked == {"inception", "founder"}


def test_parts_change_nothing(
    ownthink: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(ownthink, languages=("zh", "en"))
    whole = build(settings, tmp_path / "whole")
    monkeypatch.setattr("kg_builder.bulk.parts.PART_VALUES", 3)
    parts: list[range] = []
    cut = parts_of
    monkeypatch.setattr(
        "kg_builder.bulk.job.parts_of", lambda store: parts.extend(cut(store)) or parts
    )
    assert build(settings, tmp_path / "parts").counts == whole.counts
    assert len(parts) > 3
    for name in ("questions.jsonl", "passages.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_documents_are_linked(ownthink: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("上海古籍出版社出版过许多古籍。", encoding="utf-8")
    settings = settings_for(ownthink, passages=False, documents=[text])
    build(settings, tmp_path / "out")
    (passage,) = [Passage.model_validate(p) for p in read_jsonl(tmp_path / "out/passages.jsonl")]
    assert passage.entities == ("上海古籍出版社",)


def test_mistakes_are_said_and_leave_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        build(settings_for(tmp_path / "absent.csv"), tmp_path / "out")
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b,c\n" * 30 + "broken\n" * 20, encoding="utf-8")
    with pytest.raises(TooManyBadRows, match="max_bad_share"):
        build(settings_for(bad), tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    with pytest.raises(ValueError, match="memory"):
        BuildSettings(memory="much")


def test_a_graph_without_anything_to_ask(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("实体,属性,值\n", encoding="utf-8")
    report = build(settings_for(path), tmp_path / "out")
    assert report.questions == 0
    assert (tmp_path / "out/questions.jsonl").read_bytes() == b""


def test_two_builds_do_not_share_a_folder(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from kg_builder.bulk.store import Store\n"
        "store = Store(Path(sys.argv[1]), 'key'); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "kg.duckdb")]
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="in use by another build"):
            Store(tmp_path / "kg.duckdb", "key")
        other.stdin.close()


def test_a_damaged_database_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "kg.duckdb"
    with Store(path, "key") as store:
        store.once("step", lambda: None)
    with Store(path, "key") as store:
        assert store.is_done("step")
    with Store(path, "other") as store:
        assert not store.is_done("step")
    path.write_bytes(b"no database at all" * 100)
    with Store(path, "key") as store:
        assert not store.is_done("step")


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "kg.duckdb", "key") as store:

        def half() -> None:
            store.con.execute("CREATE TABLE t AS SELECT 1 AS x")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.once("step", half)
        assert not store.is_done("step")
        store.once("step", lambda: store.con.execute("CREATE TABLE t AS SELECT 2 AS x") and None)
        assert store.one("SELECT x FROM t") == (2,)


class Interrupted(BaseException):
    """Stands for Ctrl-C at a chosen place."""


def test_a_build_that_is_cut_off_anywhere_ends_in_the_same_bytes(
    ownthink: Path, tmp_path: Path
) -> None:
    settings = settings_for(ownthink, languages=["zh", "en"])
    stages: list[str] = []
    build(settings, tmp_path / "whole", lambda stage, *_: stages.append(stage))
    wanted = {p.name: p.read_bytes() for p in (tmp_path / "whole").iterdir()}
    for stop in range(0, len(stages), 3):
        out, seen = tmp_path / f"cut{stop}", 0

        def cut_off(stage: str, *_: int | None, stop: int = stop) -> None:
            nonlocal seen
            seen += 1
            if seen > stop:
                raise Interrupted(stage)

        with pytest.raises(Interrupted):
            build(settings, out, cut_off)
        assert not (out / "manifest.json").exists()
        build(settings, out)
        assert {p.name: p.read_bytes() for p in out.iterdir()} == wanted


@pytest.mark.slow
def test_a_build_killed_outright_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    rows = [f"某地第{n}号工程,创始人,人名{n % 997}某\n" for n in range(60_000)]
    path.write_text("实体,属性,值\n" + "".join(rows), encoding="utf-8")
    script = (
        "import sys; from pathlib import Path; from kg_builder.build import BuildSettings, build\n"
        "settings = BuildSettings.model_validate({'sources': [sys.argv[1]]})\n"
        "build(settings, Path(sys.argv[2]), lambda *told: print(*told, flush=True))"
    )
    root = str(Path(__file__).resolve().parents[2])
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", script, str(path), str(killed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(b"objects"):
                time.sleep(0.05)
                os.kill(child.pid, signal.SIGKILL)
                break
    assert not (killed / "manifest.json").exists()
    assert (killed / ".work" / "kg.duckdb").exists()
    stages: list[str] = []
    settings = BuildSettings(sources=(SourceSpec(location=str(path)),))
    build(settings, killed, lambda stage, *_: stages.append(stage))
    assert not [stage for stage in stages if stage.startswith("read")]
    build(settings, tmp_path / "whole")
    for name in ("questions.jsonl", "passages.jsonl", "report.json", "README.md"):
        assert (killed / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_card_can_be_read_by_machines_and_holds_no_markup_of_the_data(tmp_path: Path) -> None:
    question = {"text": "a|<b>?", "gold": {"objects": [["x|y"]]}, "split": "test"}
    (tmp_path / "questions.jsonl").write_text(json.dumps(question) + "\n", encoding="utf-8")
    drops = {"some | reason": {"count": 2, "samples": ["<script>"]}}
    counts = {
        "questions": 1,
        "sources": [{"name": "mine", "rows": 3, "malformed": {}}],
        "rows": {"dropped": drops},
        "values": {"dropped": {}},
        "languages": {"zh": {"questions": 1, "splits": {}, "relations": {}, "dropped": {}}},
    }
    spec = SourceSpec(location="x", licence="CC0-1.0")
    write_card(tmp_path, BuildSettings(sources=(spec,)), counts)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---")[1])
    assert head["configs"][0]["data_files"] == "questions.jsonl"
    assert head["license"] == ["CC0-1.0"]
    assert "<script>" not in card
    assert "| some \\| reason | 2 |" in card


@pytest.mark.slow
def test_datasets_reads_the_folder(ownthink: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    report = build(settings_for(ownthink), tmp_path / "out")
    for name in ("questions", "passages"):
        read = datasets.load_dataset(str(tmp_path / "out"), name, cache_dir=str(tmp_path / "cache"))
        assert read["train"].num_rows == report.counts["questions"] or name == "passages"


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    ("name", "languages", "least"),
    [
        ("nlpcc2016-kbqa/train.jsonl", ["zh"], 500),
        ("wikidata-popularity/facts.jsonl", ["zh", "en"], 8_000),
    ],
)
def test_real_graphs(tmp_path: Path, name: str, languages: list[str], least: int) -> None:
    settings = settings_for(SHARED / name, languages=languages)
    report = build(settings, tmp_path)
    assert report.questions >= least
    sample = questions_of(tmp_path)[:200]
    assert all(q.gold.objects and q.text.endswith("?") for q in sample)
