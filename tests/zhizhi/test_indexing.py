"""What of a graph the demo's index tells."""

from pathlib import Path

from kg_builder.passage import Passage
from retrieval.index import Index
from zhizhi.indexing import is_told, make_index, with_prose
from zhizhi.recipe import Recipe, RetrievalSettings


def passage(name: str) -> Passage:
    return Passage(id=name, title=name, text=f"{name}在河边。", entities=(name,))


def test_a_share_of_the_entities_is_left_out() -> None:
    names = [f"entity {number}" for number in range(5000)]
    told = [name for name in names if is_told(name, 0.04)]
    assert 0.95 < len(told) / len(names) < 0.97
    assert all(is_told(name, 0.0) for name in names)
    # More left out never brings one back.
    assert {name for name in names if is_told(name, 0.2)} < set(told)


def test_the_index_holds_what_is_told(tmp_path: Path) -> None:
    passages = [passage(f"第{number}镇") for number in range(40)]
    recipe = Recipe(retrieval=RetrievalSettings(embedder="none", untold_share=0.3))
    make_index(recipe, passages, [], tmp_path / "index")
    index = Index.open(tmp_path / "index")
    assert index.size == sum(is_told(p.entities[0], 0.3) for p in passages)
    assert 0 < index.size < 40


def prose(name: str) -> Passage:
    return passage(name).model_copy(
        update={"id": f"prose-{name}", "text": f"在河边的{name}很安静。"}
    )


def test_prose_alone_tells_the_entities_that_have_it(tmp_path: Path) -> None:
    names = [f"第{number}镇" for number in range(40)]
    passages, told = [passage(name) for name in names], [prose(name) for name in names[::2]]
    settings = RetrievalSettings(embedder="none", untold_share=0.3, prose="alone")
    recipe = Recipe(retrieval=settings)
    make_index(recipe, passages, [], tmp_path / "index", told)
    index = Index.open(tmp_path / "index")
    left = {name for name in names if is_told(name, 0.3)}
    assert {p.id for p in index.passages()} == {
        f"prose-{name}" if name in names[::2] else name for name in left
    }
    # Both ways of telling lose a share.
    assert 0 < len(left & set(names[::2])) < 20
    assert 0 < len(left & set(names[1::2])) < 20


def test_prose_replaces_in_its_own_language_only() -> None:
    chinese = passage("镇")
    english = chinese.model_copy(update={"id": "town", "language": "en"})
    made = with_prose([chinese, english], [prose("镇")], alone=True)
    assert [p.id for p in made] == ["prose-镇", "town"]


def test_prose_stands_beside_what_the_graph_tells() -> None:
    made = with_prose([passage("镇"), passage("村")], [prose("镇")], alone=False)
    assert [p.id for p in made] == ["镇", "prose-镇", "村"]


def test_prose_about_entities_of_another_graph_is_left_out() -> None:
    assert with_prose([passage("镇")], [prose("村")], alone=True) == [passage("镇")]
    assert with_prose([passage("镇")], [], alone=True) == [passage("镇")]
