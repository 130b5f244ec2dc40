"""Which facts become questions: of our own tables, where nothing is cleaned away."""

from pathlib import Path

import pytest

from kg_builder.asking import (
    CHANGING,
    GIVEN_AWAY,
    HELD_OUT,
    NO_OBJECT_NAME,
    NO_SUBJECT_NAME,
    QuestionSettings,
)
from kg_builder.build import BuildSettings, build, built_questions
from kg_builder.files import read_jsonl
from kg_builder.passage import Passage
from kg_builder.phrasing import gives_away
from kg_builder.question import Question
from kg_builder.sources.spec import SourceSpec
from kg_builder.splits import LEAK, Shares, split_of

COUNTRIES = """
name/en/aliases/tier/首都/货币/官方语言/国家元首/国花
法国/France/法兰西|French Republic/1/花都/欧元|法郎/法语/某人/鸢尾花
德国/Germany//1/柏林/欧元/德语
巴拿马/Panama//3/巴拿马//西班牙语
无名国///5/无名城/无名元
花都/City of Flowers
"""


def table(folder: Path, text: str) -> BuildSettings:
    """Settings for one table, written with / between its cells."""
    header, *rows = (line.strip().split("/") for line in text.strip().splitlines())
    lines = ["\t".join(row + [""] * (len(header) - len(row))) for row in [header, *rows]]
    source = folder / "tables"
    source.mkdir(exist_ok=True)
    (source / "one.tsv").write_text("\n".join(lines), encoding="utf-8")
    return BuildSettings(sources=(SourceSpec(location=str(source)),), languages=("zh", "en"))


def asked(settings: BuildSettings, out: Path) -> tuple[dict[tuple[str, str, str], Question], dict]:  # type: ignore[type-arg]
    counts = build(settings, out).counts
    found = [Question.model_validate(one) for one in read_jsonl(out / "questions.jsonl")]
    return {(q.language, q.subject_id, q.relation): q for q in found}, counts


def test_a_fact_becomes_a_question_in_both_languages(tmp_path: Path) -> None:
    questions, _ = asked(table(tmp_path, COUNTRIES), tmp_path / "out")
    chinese, english = questions["zh", "法国", "capital"], questions["en", "法国", "capital"]
    assert chinese.text == "法国的首都是?"
    assert "法国的首都是哪里?" in chinese.paraphrases
    assert chinese.topic == "法国的首都"
    assert chinese.gold.objects == (("花都", "City of Flowers"),)
    assert (chinese.gold.answer_type, chinese.popularity) == ("place", 5)
    assert english.text == "What is the capital of France?"
    assert english.gold.objects == (("City of Flowers", "花都"),)
    assert chinese.split == english.split == split_of("法国")
    assert chinese.id != english.id


def test_what_cannot_be_asked_fairly_is_dropped_and_counted(tmp_path: Path) -> None:
    settings = table(tmp_path, COUNTRIES)
    questions, counts = asked(settings, tmp_path / "out")
    dropped = {r: e["count"] for r, e in counts["languages"]["en"]["dropped"].items()}
    assert dropped[NO_SUBJECT_NAME] == 2  # the capital and the currency of 无名国
    assert dropped[NO_OBJECT_NAME] > 0
    assert counts["languages"]["zh"]["dropped"][GIVEN_AWAY]["count"] == 1  # 巴拿马
    assert counts["rows"]["dropped"][CHANGING]["count"] == 1
    more = settings.model_copy(update={"questions": QuestionSettings(include_changing=True)})
    changing, _ = asked(more, tmp_path / "more")
    assert {q.gold.text for q in changing.values()} - {q.gold.text for q in questions.values()} == {
        "某人"
    }


def test_the_answer_in_the_question() -> None:
    assert gives_away("北京的简称是?", "京")
    assert not gives_away("What is the symbol of carbon?", "C")
    assert gives_away("Who founded Ford Motor?", "ford")
    assert not gives_away("philosophical", "philosophy")


def test_a_reverse_fact_in_another_split_is_dropped_from_the_lower_split(tmp_path: Path) -> None:
    pairs = [(f"物{a:02}", f"物{a + 40:02}") for a in range(40)]
    rows = [f"{a}/{b}/" for a, b in pairs] + [f"{b}//{a}" for a, b in pairs]
    settings = table(tmp_path, "name/甲事/乙事\n" + "\n".join(rows))
    questions, counts = asked(settings, tmp_path / "out")
    apart = [(a, b) for a, b in pairs if split_of(a) != split_of(b)]
    assert apart
    assert counts["languages"]["zh"]["dropped"][LEAK]["count"] == len(apart)
    where = {(q.subject, q.gold.text): q.split for q in questions.values()}
    for subject, answer in where:
        assert where.get((answer, subject), where[subject, answer]) == where[subject, answer]
    assert counts["leakage"]["reverse_facts_in_several_splits"] == 0


def test_held_out_relations_are_asked_in_the_test_split_only(tmp_path: Path) -> None:
    names = [f"名{n}" for n in range(8)]
    rows = ["/".join([f"物{n}", *(f"值{n}{name}" for name in names)]) for n in range(40)]
    settings = table(tmp_path, "/".join(["name", *names]) + "\n" + "\n".join(rows))
    chosen = QuestionSettings(
        held_out_share=0.4, shares=Shares(train=0.5, calibration=0, test=0.5), max_relation_share=1
    )
    settings = settings.model_copy(update={"questions": chosen, "languages": ("zh",)})
    questions, counts = asked(settings, tmp_path / "out")
    held = set(counts["held_out_relations"])
    assert 0 < len(held) < len(names)
    assert {q.relation for q in questions.values() if q.split == "train"} == set(names) - held
    assert {q.relation for q in questions.values() if q.split == "test"} == set(names)
    assert counts["languages"]["zh"]["dropped"][HELD_OUT]["count"] > 0


def test_the_seed_turns_the_paraphrases_and_no_ids(tmp_path: Path) -> None:
    settings = table(tmp_path, "name/首都\n法国/花都")
    found = [
        built_questions(settings.model_copy(update={"seed": seed, "languages": ("zh",)}))[0]
        for seed in range(5)
    ]
    assert len({q.paraphrases for q in found}) > 1
    assert len({q.id for q in found}) == 1


def test_passages_tell_all_facts_of_an_entity(tmp_path: Path) -> None:
    asked(table(tmp_path, COUNTRIES), tmp_path / "out")
    found = [Passage.model_validate(p) for p in read_jsonl(tmp_path / "out" / "passages.jsonl")]
    (passage,) = [p for p in found if p.title == "法国"]
    assert passage.url == "kg://tables/%E6%B3%95%E5%9B%BD"
    assert passage.entities == ("法国", "花都")
    assert "欧元、法郎" in passage.text
    assert passage.text.endswith("法国又称法兰西。")
    (english,) = [p for p in found if p.title == "France"]
    assert "City of Flowers" in english.text


@pytest.mark.slow
def test_of_the_embedded_graph_nearly_everything_is_asked(tmp_path: Path) -> None:
    _, counts = asked(BuildSettings(languages=("zh", "en"), passages=False), tmp_path)
    assert counts["questions"] >= 38_600
    told = counts["languages"]["zh"]
    assert told["questions"] + sum(e["count"] for e in told["dropped"].values()) == counts["facts"]
    assert counts["leakage"]["components_in_several_splits"] == 0
    assert counts["leakage"]["largest_component"] <= 3
