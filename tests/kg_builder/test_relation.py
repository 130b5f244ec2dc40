from pathlib import Path

import pytest

from kg_builder.relation import (
    Catalogue,
    Relation,
    RelationError,
    builtin_paths,
    fill,
    generic_relation,
    read_relations,
)

CAPITAL = """
[[relation]]
id = "capital"
zh = "首都"
en = "capital"
wikidata = ["P36"]
names = ["首府"]
answer = "place"
values = "one"
subject = "country"
zh_questions = ["{s}的首都是?", "哪座城市是{s}的首都?"]
en_questions = ["What is the capital of {s}?"]
zh_statements = ["{s}的首都是{o}"]
en_statements = ["The capital of {s} is {o}"]
"""


def written(folder: Path, text: str, name: str = "relations.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["capital", "首都", "Capital", "首府", "P36", "p36"])
def test_a_relation_is_found_by_any_of_its_names(tmp_path: Path, name: str) -> None:
    found = Catalogue.load([written(tmp_path, CAPITAL)]).find(name)
    assert found is not None
    assert found.id == "capital"


def test_own_names_go_before_other_names_of_others(tmp_path: Path) -> None:
    other = CAPITAL.replace('"capital"', '"seat"', 1).replace('"首都"', '"首府"', 1)
    paths = [written(tmp_path, CAPITAL), written(tmp_path, other, "b.toml")]
    found = Catalogue.load(paths).find("首府")
    assert found is not None
    assert found.id == "seat"


def test_an_unknown_relation_gets_sound_generic_wordings(tmp_path: Path) -> None:
    relation = Catalogue.load([written(tmp_path, CAPITAL)]).resolve("车位")
    assert relation.generic
    assert fill(relation.zh_questions[0], s="百分百公寓") == "百分百公寓的车位是?"
    assert len(set(relation.zh_questions)) >= 3
    assert len(set(relation.en_questions)) >= 3
    assert relation.topic("百分百公寓", "zh") == "百分百公寓的车位"
    assert relation.fixed_form("百分百公寓", "130个", "zh") == "百分百公寓的车位是130个"


def test_braces_in_a_name_are_left_alone() -> None:
    relation = generic_relation("{x}")
    assert fill(relation.zh_questions[0], s="集合{a}") == "集合{a}的{x}是?"


def test_two_relations_of_one_id_are_refused(tmp_path: Path) -> None:
    paths = [written(tmp_path, CAPITAL), written(tmp_path, CAPITAL, "b.toml")]
    with pytest.raises(RelationError, match="'capital' is taken"):
        Catalogue.load(paths)


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    broken = CAPITAL.replace('"哪座城市是{s}的首都?"', '"哪座城市?"').replace('"one"', '"two"')
    with pytest.raises(RelationError) as told:
        read_relations(written(tmp_path, broken))
    assert "2 fault(s)" in str(told.value)
    assert "哪座城市?" in str(told.value)
    assert "values" in str(told.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[[relation", "not TOML"), ("", "no \\[\\[relation"), ("\udcff", "UTF-8")],
)
def test_files_that_are_no_catalogue(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RelationError, match=message):
        read_relations(path)
    with pytest.raises(RelationError, match="No such file"):
        read_relations(tmp_path / "absent.toml")


@pytest.mark.skipif(not builtin_paths(), reason="the built-in catalogue is not there yet")
@pytest.mark.parametrize("path", builtin_paths(), ids=lambda path: path.stem)
def test_every_built_in_relation_has_three_wordings_a_language(path: Path) -> None:
    def short(relation: Relation) -> bool:
        return (
            min(len(set(relation.zh_questions)), len(set(relation.en_questions))) < 3
            or len(set(relation.zh_statements)) < 2
        )

    assert [relation.id for relation in read_relations(path) if short(relation)] == []


def test_the_built_in_catalogue_loads() -> None:
    catalogue = Catalogue.load()
    assert len({relation.id for relation in catalogue}) == len(catalogue)


def test_titles_are_written_in_title_marks_and_their_qualifier_outside(tmp_path: Path) -> None:
    film = CAPITAL.replace('"country"', '"film"')
    (relation,) = read_relations(written(tmp_path, film))
    assert relation.written("活着", "zh") == "《活着》"
    assert relation.written("活着（小说）", "zh") == "《活着》（小说）"
    assert relation.written("《活着》", "zh") == "《活着》"
    assert relation.written("To Live", "en") == "To Live"
    assert relation.topic("活着（小说）", "zh") == "《活着》（小说）的首都"
