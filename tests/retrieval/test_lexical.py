from pathlib import Path

import bm25s
import numpy as np
import pytest

from kg_builder.passage import Passage
from retrieval.errors import IndexRefusedError
from retrieval.lexical import LexicalIndex, query_terms
from retrieval.passage_text import passage_text
from retrieval.segmentation import terms


@pytest.fixture
def index(passages: list[Passage], tmp_path: Path) -> LexicalIndex:
    LexicalIndex.of(map(passage_text, passages)).save(tmp_path / "lexical")
    return LexicalIndex.open(tmp_path / "lexical")


def test_scores_are_those_of_the_library(index: LexicalIndex, passages: list[Passage]) -> None:
    reference = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    reference.index([terms(passage_text(p)) for p in passages], show_progress=False)
    query = "海宁城的市花是什么"
    wanted = reference.get_scores(list(dict.fromkeys(terms(query))))
    positions, scores = index.search(query, len(passages))
    np.testing.assert_allclose(scores, wanted[positions], rtol=1e-5)
    assert len(positions) == np.count_nonzero(wanted)
    assert list(scores) == sorted(scores, reverse=True)


def test_finds_names_no_dictionary_has(index: LexicalIndex, passages: list[Passage]) -> None:
    positions, _ = index.search("《夜航書》是誰寫的?", 1)
    assert passages[positions[0]].title == "《夜航书》"


def test_ties_keep_the_order_of_the_passages(tmp_path: Path) -> None:
    LexicalIndex.of(["同样的话"] * 5).save(tmp_path)
    assert list(LexicalIndex.open(tmp_path).search("同样", 3)[0]) == [0, 1, 2]


def test_names_count_twice(index: LexicalIndex) -> None:
    assert query_terms("韩松发现韩松") == ["韩松", "发现", "松发", "现韩"]
    assert query_terms("韩松发现韩松", ["韩松", "柳如烟"])[4:] == ["韩松"]
    query = "海宁城的市花是什么"
    once, twice = (
        dict(zip(*index.search(query, 12, names), strict=True)) for names in ([], [query])
    )
    assert twice == pytest.approx({position: 2 * score for position, score in once.items()})
    alone = dict(zip(*index.search("海宁城", 12), strict=True))
    named = dict(zip(*index.search(query, 12, ["海宁城"]), strict=True))
    assert named == pytest.approx({p: score + alone.get(p, 0) for p, score in once.items()})


@pytest.mark.parametrize("query", ["韓松的母親是誰", "\uff23\uff39是什么石头的符号", "赤焰石 cy"])
def test_script_width_and_case_do_not_matter(
    index: LexicalIndex, passages: list[Passage], query: str
) -> None:
    wanted = {"韓": "韩松"}.get(query[0], "赤焰石")
    assert passages[index.search(query, 1)[0][0]].title == wanted


@pytest.mark.parametrize("query", ["", "?!", "zzz", "魑魅"])
def test_no_shared_term_is_no_hit(index: LexicalIndex, query: str) -> None:
    assert len(index.search(query, 5)[0]) == 0


def test_more_asked_than_there_is(index: LexicalIndex, passages: list[Passage]) -> None:
    assert 0 < len(index.search("的是", 10_000)[0]) <= len(passages)


@pytest.mark.parametrize("texts", [[], ["", "!!"]])
def test_nothing_to_index(texts: list[str], tmp_path: Path) -> None:
    LexicalIndex.of(texts).save(tmp_path)
    index = LexicalIndex.open(tmp_path)
    assert index.size == len(texts)
    assert len(index.search("什么", 3)[0]) == 0


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexRefusedError, match="no BM25 index"):
        LexicalIndex.open(tmp_path)
