from pathlib import Path

import pytest

from kg_builder.errors import UserError
from kg_builder.question import Question
from tests.training.conftest import invented_questions
from training.errors import RecipeError
from zhizhi.recipe import FOLDER, Choice, Limits, Recipe, find_recipe


@pytest.fixture
def questions() -> list[Question]:
    return invented_questions()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    assert Recipe.load(path).name == path.stem


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[sft]\nrank = 0\nepochz = 3\n[mix]\nratio = "many"\n')
    with pytest.raises(RecipeError) as error:
        Recipe.load(path)
    message = str(error.value)
    assert "3 fault(s)" in message
    for name in ("sft.rank", "sft.epochz", "mix.ratio"):
        assert name in message


@pytest.mark.parametrize(
    ("content", "expected"), [(b"name = [", "not TOML"), (b"\xff\xfe\x00", "not TOML")]
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=expected):
        Recipe.load(path)


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="embedded"):
        find_recipe("nonesuch")


def test_sources_are_found_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "facts.tsv").write_text("name\ten\taliases\ttier\t首都\n法国\tFrance\t\t1\t巴黎\n")
    path = tmp_path / "r.toml"
    path.write_text('[build]\nsources = [{ location = "facts.tsv" }]\n')
    assert Recipe.load(path).build.sources[0].location == str(tmp_path / "facts.tsv")


def test_a_recipe_chooses_what_is_asked(questions: list[Question]) -> None:
    from zhizhi.pipeline import chosen_questions

    def ids(choice: Choice, test: int | None = None) -> set[str]:
        recipe = Recipe(choice=choice, limits=Limits(test=test))
        return {q.id for part in chosen_questions(recipe, questions).values() for q in part}

    assert ids(Choice()) == {q.id for q in questions}
    capitals = ids(Choice(relations=("capital",)))
    assert capitals == {q.id for q in questions if q.relation == "capital"}
    known = ids(Choice(least_popularity=6))
    assert known == {q.id for q in questions if (q.popularity or 0) >= 6}
    assert len(ids(Choice(), test=2)) < len(questions)
    with pytest.raises(UserError, match="names moon"):
        ids(Choice(relations=("capital", "moon")))
    with pytest.raises(UserError, match="least_popularity = 99"):
        ids(Choice(least_popularity=99))


def test_a_recipe_says_how_its_model_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(
        'dtype = "native"\nrevision = "main"\n[few_shot]\nexamples = [["1+1?", "2"]]\n'
        "[hardware]\nsharded = true\n"
    )
    loading = Recipe.load(path).loading
    assert loading["dtype"] == "native"
    assert loading["revision"] == "main"
    assert loading["device"] == "spread"
    assert "1+1?" in loading["few_shot"].chat_template  # type: ignore[union-attr]
    path.write_text('[few_shot]\nform = "no place"\nexamples = []\n')
    with pytest.raises(RecipeError, match=r"few_shot\.form"):
        Recipe.load(path)
