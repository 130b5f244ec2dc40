from pathlib import Path

import pytest

from training.errors import RecipeError
from zhizhi.recipe import FOLDER, Recipe, find_recipe


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
