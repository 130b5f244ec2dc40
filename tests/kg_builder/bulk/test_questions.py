"""What is asked of open graphs, and in which words."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from kg_builder.asking import SAME_ANSWER, QuestionSettings
from kg_builder.build import BuildSettings, build
from kg_builder.question import Question
from kg_builder.sources.spec import SourceSpec

GRAPHS = Path(__file__).resolve().parents[2] / "data" / "graphs"


def asked(path: Path, out: Path, **more: Any) -> tuple[dict[str, Question], dict[str, Any]]:
    """Questions by their text, and the report."""
    value = {"sources": [SourceSpec(location=str(path))], "passages": False, **more}
    counts = build(BuildSettings.model_validate(value), out).counts
    with (out / "questions.jsonl").open(encoding="utf-8") as file:
        found = [Question.model_validate(json.loads(line)) for line in file]
    return {one.text: one for one in found}, counts


def rows(folder: Path, text: str) -> Path:
    path = folder / "rows.csv"
    path.write_text("实体,属性,值\n" + text, encoding="utf-8")
    return path


def test_relations_are_asked_in_the_words_of_the_source(tmp_path: Path) -> None:
    found, counts = asked(GRAPHS / "wrong_relation.csv", tmp_path)
    assert {
        "伊留申航空联合体的建立者是?",
        "扎西绕登寺的创建者是?",
        "李某某（演员）的信仰是?",
        "《疯狂原始人2》（2021年进口网络游戏）的出版单位是?",
    } <= found.keys()
    every = [wording for one in found.values() for wording in (one.text, *one.paraphrases)]
    assert not [one for one in every if "君主" in one or ("宗教信仰是" in one and "李某某" in one)]
    assert found["独龙族人的宗教信仰是?"].gold.objects == (("原始宗教",), ("基督教",))
    assert len(found["幻影猫（角色）的创作者是?"].gold.objects) == 2
    assert not [one for one in found if one.startswith(("三清画社", "F-2", "薄姬"))]
    assert "a measure without its unit" in counts["values"]["dropped"]
    assert "several values run together" in counts["values"]["dropped"]


def test_what_changes_is_listed_and_asked_on_demand_only(tmp_path: Path) -> None:
    found, counts = asked(GRAPHS / "changing_facts.csv", tmp_path / "default")
    assert len(found) <= 4
    assert not [one for one in found.values() if one.changing]
    assert {"票房", "母公司", "人口密度"} & counts["changing"].keys()
    more, _ = asked(
        GRAPHS / "changing_facts.csv",
        tmp_path / "changing",
        questions=QuestionSettings(include_changing=True),
    )
    marked = [one for one in more.values() if one.changing]
    assert len(marked) > 10
    assert found.keys() <= more.keys()


def test_a_province_has_no_capital_of_a_country(tmp_path: Path) -> None:
    path = rows(tmp_path, "山东省,首都,济南\n不丹,首都,廷布\n")
    found, _ = asked(path, tmp_path / "out")
    assert found.keys() == {"山东省的省会是?", "不丹的首都是?"}


def test_the_objects_say_whether_a_number_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "graph.nt"
    place = "<http://x.org/resource/{}> <http://x.org/ontology/locatedInArea> <http://x.org/resource/{}> .\n"
    path.write_text(
        place.format("Tai", "Shandong") + place.format("Hua", "Shaanxi"), encoding="utf-8"
    )
    _, counts = asked(path, tmp_path / "out", languages=["en"])
    assert "relation: its name does not say what is asked for" in counts["rows"]["dropped"]
    found, _ = asked(path, tmp_path / "all", languages=["en"], unknown_relations="all")
    assert {one.gold.answer_type for one in found.values()} == {"term"}


def test_a_simplified_question_has_no_traditional_name(tmp_path: Path) -> None:
    plain = "".join(f"第{n}号书店,创始人,甲某{n}\n" for n in range(8))
    path = rows(tmp_path, plain + "北京大學出版社,创始人,乙某\n")
    found, _ = asked(path, tmp_path / "out")
    assert "北京大学出版社的创始人是?" in found
    assert found["北京大学出版社的创始人是?"].subject_id == "北京大學出版社"


def test_no_answer_to_a_relation_is_too_much_of_the_questions(tmp_path: Path) -> None:
    people = "".join(f"甲乙丙{chr(0x4E00 + n)},国籍,中国\n" for n in range(300))
    others = "".join(f"丁戊己{chr(0x5E00 + n)},国籍,国{n}\n" for n in range(150))
    shops = "".join(f"第{n}号书店,创始人,某某{n}\n" for n in range(400))
    found, counts = asked(rows(tmp_path, people + others + shops), tmp_path / "out")
    pairs = Counter((one.relation, one.gold.text) for one in found.values())
    assert max(pairs.values()) <= 0.03 * len(found)
    assert counts["languages"]["zh"]["dropped"][SAME_ANSWER]["count"] > 250
    chinese = [one for one in found.values() if one.gold.text == "中国"]
    assert chinese
    assert all(one.guessable and one.base_rate == one.answer_share for one in chinese)
    rare = [one for one in found.values() if one.gold.text == "国3"]
    assert [one.guessable for one in rare] == [False]
    assert rare[0].base_rate == chinese[0].base_rate == round(300 / 450, 4)


def test_a_name_told_of_things_of_several_kinds_is_not_asked(tmp_path: Path) -> None:
    text = "红玫瑰传奇,导演,甲某\n红玫瑰传奇,父亲,乙某\n蓝玫瑰传奇,导演,丙某\n"
    found, _ = asked(rows(tmp_path, text), tmp_path / "out", strict_names=True)
    assert found.keys() == {"《蓝玫瑰传奇》的导演是?"}
