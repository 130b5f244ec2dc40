"""One contract, kept by every engine: files of FAISS and BM25, and Milvus (here its Lite)."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kg_builder.passage import Passage
from retrieval.chain import RetrievalChain
from retrieval.embedder import NgramEmbedder, Vectors
from retrieval.engines import PassageIndex, open_index
from retrieval.errors import IndexRefusedError, SearchError
from retrieval.index import Index
from retrieval.milvus import FORMAT, UNFINISHED, MilvusIndex

ENGINES = ["files", "milvus"]


class Counting:
    """An untrained embedder that counts what it is asked to embed, and fails when told to."""

    name = "counting"
    dimension = 64

    def __init__(self) -> None:
        weights = np.random.default_rng(0).standard_normal((4096, 64), np.float32)
        self.inner = NgramEmbedder(weights)
        self.encoded, self.fail_after = 0, 10**9

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.inner.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.encoded += len(texts)
        if self.encoded > self.fail_after:
            raise KeyboardInterrupt
        return self.inner.encode_passages(texts)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def build(
    engine: str, passages: Sequence[Passage], folder: Path, embedder: Counting | None = None
) -> PassageIndex:
    if engine == "milvus":
        return MilvusIndex.build(passages, folder, embedder, uri="passages.db")
    return Index.build(passages, folder, embedder)


def extra(identity: str = "new", text: str = "云梦泽的水神是湘君。") -> Passage:
    return Passage(id=identity, title="云梦泽", text=text)


@pytest.fixture(scope="module", params=ENGINES)
def built(
    request: pytest.FixtureRequest,
    passages: list[Passage],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[PassageIndex, Path]:
    """An index that is only read: a Milvus Lite takes a second to start."""
    folder = tmp_path_factory.mktemp("built")
    return build(str(request.param), passages, folder, Counting()), folder


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
def test_finds_what_it_holds(
    built: tuple[PassageIndex, Path], mode, passages: list[Passage]
) -> None:
    index, folder = built
    found = index.search("《夜航书》的作者是谁?", 3, mode)
    assert found[0].passage == passages[6]
    assert len(found) <= 3
    assert [e.score for e in found] == sorted((e.score for e in found), reverse=True)
    assert {(e.source, e.provider) for e in found} == {("index", folder.name)}
    assert open_index(folder, Counting()).search("《夜航书》的作者是谁?", 3, mode) == found


def test_engines_agree(passages: list[Passage], tmp_path: Path) -> None:
    here = build("files", passages, tmp_path / "files", Counting())
    there = build("milvus", passages, tmp_path / "milvus", Counting())
    for passage in passages:
        question = f"{passage.title}是什么人?"
        for mode in ("lexical", "dense", "hybrid"):
            one, other = here.search(question, 3, mode), there.search(question, 3, mode)
            assert one[0].passage == other[0].passage
        one, other = here.search(question, 12, "lexical"), there.search(question, 12, "lexical")
        assert {e.passage.id for e in one} == {e.passage.id for e in other}


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_engines_score_alike(mode, passages: list[Passage], tmp_path: Path) -> None:
    here = build("files", passages, tmp_path / "files")
    there = build("milvus", passages, tmp_path / "milvus")
    for question in ("韩松的母亲是谁?", "海宁城的市花是什么?", "《夜航书》是哪年出版的?"):
        one = {e.passage.id: e.score for e in here.search(question, 20, mode)}
        other = {e.passage.id: e.score for e in there.search(question, 20, mode)}
        assert other == pytest.approx(one, rel=1e-3)


def test_a_title_in_passing_does_not_outweigh_the_words(engine: str, tmp_path: Path) -> None:
    others = [extra(f"p{n}", f"{n}号水库建于山间。") for n in range(30)]
    named = Passage(id="named", title="德国", text="德国是欧洲的国家，首都是柏林，德国人口众多。")
    right = Passage(
        id="right", title="风力发电", text="2010年底，德国利用风力发电37吉瓦，占全国的百分之六。"
    )
    index = build(engine, [named, right, *others], tmp_path)
    assert index.search("2010年底德国利用风力发了多少电?", 1)[0].passage.id == "right"


def test_a_named_passage_outweighs_words_of_others(engine: str, tmp_path: Path) -> None:
    others = [extra(f"p{n}", f"{n}号河的注入水域是{n}号湖的水域。") for n in range(30)]
    index = build(engine, [*others, Passage(id="x", title="湘川", text="湘川流入云湖。")], tmp_path)
    assert index.search("湘川的注入水域是?", 1)[0].passage.id == "x"


@pytest.mark.parametrize(
    "question", ["", "  ", '"] or key != ["', "韩松' or '1' == '1", "\\", "%s {x} $1", "🙂", "の"]
)
def test_no_question_harms(
    built: tuple[PassageIndex, Path], question: str, passages: list[Passage]
) -> None:
    index, _ = built
    for mode in ("lexical", "hybrid"):
        assert len(index.search(question, 3, mode)) <= 3
    assert index.search("韩松", 0) == []
    assert index.size == len(passages)


def test_without_an_embedder_hybrid_does_with_the_rest(
    engine: str, passages: list[Passage], tmp_path: Path
) -> None:
    index = build(engine, passages, tmp_path)
    assert [e.passage.title for e in index.search("韩松", 2)] == ["韩松", "赤焰石"]
    with pytest.raises(IndexRefusedError, match="no vectors"):
        index.search("韩松", 2, "dense")


def test_an_empty_index_finds_nothing_until_something_is_added(engine: str, tmp_path: Path) -> None:
    index = build(engine, [], tmp_path, Counting())
    assert (index.size, index.search("什么", 3)) == (0, [])
    index.add([extra()])
    assert index.search("云梦泽", 3)[0].passage == extra()


def test_add_update_delete(engine: str, passages: list[Passage], tmp_path: Path) -> None:
    embedder = Counting()
    index = build(engine, passages, tmp_path, embedder)
    index.add([extra()])
    assert embedder.encoded == len(passages) + 1
    index.add([extra()])  # unchanged
    assert embedder.encoded == len(passages) + 1
    index.add([extra(text="云梦泽的水神是河伯。")])
    assert embedder.encoded == len(passages) + 2
    assert index.size == len(passages) + 1
    assert index.search("云梦泽的水神", 1)[0].passage.text.endswith("河伯。")
    assert index.delete(["new", "absent"]) == 1
    assert index.get("new") is None
    assert {p.id for p in index.passages()} == {p.id for p in passages}
    assert "云梦泽" not in {e.passage.title for e in index.search("云梦泽", 5)}


def test_a_document_is_replaced_and_deleted_whole(engine: str, tmp_path: Path) -> None:
    index = build(engine, [extra(f"doc#{n}", f"第{n}段。") for n in range(4)], tmp_path)
    index.add([extra("doc#0", "只剩一段。"), extra('a "b" c', "引号。")])
    assert {p.id for p in index.passages()} == {"doc#0", 'a "b" c'}
    assert index.delete(["doc", 'a "b" c']) == 2


def test_ids_are_unique(engine: str, passages: list[Passage], tmp_path: Path) -> None:
    with pytest.raises(IndexRefusedError, match="'p0' comes twice"):
        build(engine, [*passages, passages[0]], tmp_path)


def test_every_field_comes_back(engine: str, tmp_path: Path) -> None:
    passage = Passage(
        id="a/b c.md#0", title='"双引号" 与 \\', text="第一行\n第二行\t🙂。", url="https://例.cn/?a=1&b='",
        language="en", entities=("Q1", 'e"2'),
    )  # fmt: skip
    index = build(engine, [passage], tmp_path)
    assert index.get("a/b c.md#0") == passage
    assert list(index.passages()) == [passage]


def test_a_running_service_takes_the_new_version(
    engine: str, passages: list[Passage], tmp_path: Path
) -> None:
    build(engine, passages, tmp_path)
    served = open_index(tmp_path)
    before = served.name
    for number in range(3):  # more builds than versions that are kept
        build(engine, [extra(f"n{number}")], tmp_path)
    assert served.search("云梦泽", 5)[0].passage.id == "n2"
    assert served.size == 1
    assert served.name != before


def test_a_build_that_is_stopped_leaves_the_old_one_in_service(
    engine: str, passages: list[Passage], tmp_path: Path
) -> None:
    served = build(engine, passages, tmp_path, Counting())
    stopped = Counting()
    stopped.fail_after = 0
    with pytest.raises(KeyboardInterrupt):
        build(engine, [extra()], tmp_path, stopped)
    for index in (served, open_index(tmp_path, Counting())):
        assert index.search("韩松的母亲是谁", 1)[0].passage.title == "韩松"
    assert build(engine, [extra()], tmp_path, Counting()).size == 1


def test_another_embedder_is_refused(engine: str, passages: list[Passage], tmp_path: Path) -> None:
    build(engine, passages, tmp_path, Counting())
    other = Counting()
    other.name = "other"
    with pytest.raises(IndexRefusedError, match="'counting', not 'other'"):
        open_index(tmp_path, other)
    with pytest.raises(IndexRefusedError, match="does not contain"):
        open_index(tmp_path)


def test_many_threads_search_at_once(engine: str, passages: list[Passage], tmp_path: Path) -> None:
    index = build(engine, passages, tmp_path, Counting())
    wrong: list[str] = []

    def ask(passage: Passage) -> None:
        for _ in range(5):
            found = index.search(passage.title, 1)
            if not found or found[0].passage != passage:
                wrong.append(passage.title)

    threads = [threading.Thread(target=ask, args=(passage,)) for passage in passages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


async def test_the_chain_answers_from_it(
    engine: str, passages: list[Passage], tmp_path: Path
) -> None:
    chain = RetrievalChain(build(engine, passages, tmp_path))
    reading = await chain.aanswer("沈云舟的父亲是谁?")
    assert (reading.answer, reading.citations[0].passage_id) == ("沈怀远", "p0")
    assert chain.name == f"{tmp_path.name}:v000001"


def test_an_engine_can_be_changed_by_a_build(passages: list[Passage], tmp_path: Path) -> None:
    build("files", passages, tmp_path)
    build("milvus", [extra()], tmp_path)
    assert isinstance(open_index(tmp_path), MilvusIndex)
    build("files", passages, tmp_path)
    assert isinstance(open_index(tmp_path), Index)


# ── what only Milvus can get wrong ───────────────────────────────────────────────────────────────


def test_a_killed_build_leaves_no_collection_for_good(
    passages: list[Passage], tmp_path: Path
) -> None:
    index = MilvusIndex.build(passages, tmp_path, uri="passages.db")
    left = "zhizhi_left"
    index.collection.client.create_collection(left, dimension=4)
    (tmp_path / UNFINISHED).write_text(left)
    MilvusIndex.build(passages, tmp_path, uri="passages.db")
    assert not index.collection.sibling(left).exists()
    assert len(index.collection.client.list_collections()) == 2  # in service, and the one before


def test_the_folder_may_be_moved(passages: list[Passage], tmp_path: Path) -> None:
    index = MilvusIndex.build(passages, tmp_path / "a", uri="passages.db")
    index.collection.client.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert open_index(tmp_path / "b").size == len(passages)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "books", ""])
def test_an_address_where_nothing_answers(uri: str, tmp_path: Path) -> None:
    with pytest.raises(IndexRefusedError, match="Milvus at"):
        MilvusIndex.build([extra()], tmp_path, uri=uri)


def test_a_collection_that_is_gone(passages: list[Passage], tmp_path: Path) -> None:
    index = MilvusIndex.build(passages, tmp_path, uri="passages.db")
    index.collection.drop()
    with pytest.raises(SearchError, match="Milvus does not answer"):
        index.search("韩松", 1)
    with pytest.raises(IndexRefusedError, match="no collection"):
        open_index(tmp_path)


def test_a_manifest_of_a_later_program(passages: list[Passage], tmp_path: Path) -> None:
    MilvusIndex.build(passages, tmp_path, uri="passages.db")
    path = tmp_path / "v000001" / "manifest.json"
    text = path.read_text(encoding="utf-8")
    assert FORMAT in text
    path.write_text(text.replace('"format_version": 2', '"format_version": 9'), encoding="utf-8")
    with pytest.raises(IndexRefusedError, match="format version 9"):
        open_index(tmp_path)
