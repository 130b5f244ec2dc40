"""What of a graph the demo's index tells."""

from pathlib import Path

from kg_builder.passage import Passage
from retrieval.index import Index
from zhizhi.indexing import is_told, make_index
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
