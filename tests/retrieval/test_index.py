"""The index folder: what it finds, how it changes, and what it refuses."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kg_builder.passage import Passage
from retrieval.embedder import NgramEmbedder, Vectors
from retrieval.errors import IndexRefusedError
from retrieval.index import Index


class Counting:
    """An untrained embedder that counts what it is asked to embed."""

    def __init__(self, name: str = "counting", slow: float = 0) -> None:
        self.inner = untrained()
        self.name, self.slow, self.encoded = name, slow, 0

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.inner.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.encoded += len(texts)
        time.sleep(self.slow)
        return self.inner.encode_passages(texts)


def untrained(seed: int = 0) -> NgramEmbedder:
    weights = np.random.default_rng(seed).standard_normal((4096, 64), np.float32)
    return NgramEmbedder(weights.astype(np.float16))


def extra(identity: str = "new", text: str = "云梦泽的水神是湘君。") -> Passage:
    return Passage(id=identity, title="云梦泽", text=text)


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
def test_finds_what_it_holds(mode, passages: list[Passage], tmp_path: Path) -> None:
    index = Index.build(passages, tmp_path / "index", untrained())
    found = index.search("《夜航书》的作者是谁?", 3, mode)
    assert found[0].passage == passages[6]
    assert [e.score for e in found] == sorted((e.score for e in found), reverse=True)
    again = Index.open(tmp_path / "index").search("《夜航书》的作者是谁?", 3, mode)
    assert again == found


def test_the_embedder_travels_with_the_index(passages: list[Passage], tmp_path: Path) -> None:
    Index.build(passages, tmp_path / "a", untrained())
    (tmp_path / "a").rename(tmp_path / "b")
    assert Index.open(tmp_path / "b").search("韩松的母亲", 1, "dense")[0].passage.title == "韩松"


def test_without_an_embedder_hybrid_does_with_the_rest(
    passages: list[Passage], tmp_path: Path
) -> None:
    index = Index.build(passages, tmp_path)
    assert [e.passage.title for e in index.search("韩松", 2)] == ["韩松", "赤焰石"]
    with pytest.raises(IndexRefusedError, match="no vectors"):
        index.search("韩松", 2, "dense")


@pytest.mark.parametrize(("query", "k"), [("", 5), ("  ", 5), ("韩松", 0)])
def test_nothing_asked(query: str, k: int, passages: list[Passage], tmp_path: Path) -> None:
    assert Index.build(passages, tmp_path, untrained()).search(query, k) == []


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    index = Index.build([], tmp_path, untrained())
    assert index.search("什么", 3) == []
    index.add([extra()])
    assert Index.open(tmp_path).search("云梦泽", 3)[0].passage.id == "new"


def test_a_title_in_the_question_outweighs_its_words(tmp_path: Path) -> None:
    others = [
        extra(f"p{n}", f"{n}号城位于某省级行政区，是哪个省级行政区的城市。") for n in range(30)
    ]
    index = Index.build([*others, Passage(id="x", title="丽川", text="丽川在滇南。")], tmp_path)
    assert index.search("哪个省级行政区有丽川?", 3)[0].passage.id == "x"


def test_chunks_of_one_document_are_ranked_by_their_words(tmp_path: Path) -> None:
    chunks = [Passage(id=f"d#{n}", title="长篇", text=f"第{n}章讲的是{n}件事。") for n in range(80)]
    index = Index.build(chunks, tmp_path)
    assert index.search("《长篇》第七十章? 第70章讲了什么", 1)[0].passage.id == "d#70"


def test_script_and_width_do_not_matter(passages: list[Passage], tmp_path: Path) -> None:
    index = Index.build(passages, tmp_path, untrained())
    for mode in ("lexical", "dense", "hybrid"):
        simple = index.search("韩松发现的石头的化学符号是CY吗", 12, mode)
        assert index.search("韓松發現的石頭的化學符號是\uff23\uff39嗎", 12, mode) == simple


def test_an_index_of_the_earlier_weight_is_served(passages: list[Passage], tmp_path: Path) -> None:
    built = Index.build(passages, tmp_path, untrained(), dense_weight=0.2)
    assert Index.open(tmp_path).info()["dense_weight"] == 0.2
    assert built.add([extra()]).info()["dense_weight"] == 0.2


def test_add_update_delete_embed_only_what_is_new(passages: list[Passage], tmp_path: Path) -> None:
    embedder = Counting()
    index = Index.build(passages, tmp_path, embedder)
    assert embedder.encoded == len(passages)
    index.add([extra()])
    assert embedder.encoded == len(passages) + 1
    assert index.search("云梦泽的水神", 1)[0].passage.text.endswith("湘君。")
    index.add([extra(text="云梦泽的水神是河伯。")])
    assert embedder.encoded == len(passages) + 2
    assert index.size == len(passages) + 1
    assert index.search("云梦泽的水神", 1)[0].passage.text.endswith("河伯。")
    assert index.delete(["new", "absent"]) == 1
    assert not [e for e in index.search("云梦泽", 5) if e.passage.title == "云梦泽"]
    assert embedder.encoded == len(passages) + 2
    np.testing.assert_array_equal(
        index.version.dense.vectors,  # type: ignore[union-attr]
        embedder.inner.encode_passages([f"{p.title}。{p.text}" for p in passages]),
    )


def test_a_document_is_replaced_and_deleted_whole(tmp_path: Path) -> None:
    index = Index.build([extra(f"doc#{n}", f"第{n}段。") for n in range(4)], tmp_path)
    index.add([extra("doc#0", "只剩一段。")])
    assert [p.id for p in index.passages()] == ["doc#0"]
    assert index.delete(["doc"]) == 1


def test_a_running_service_takes_the_new_version(passages: list[Passage], tmp_path: Path) -> None:
    served = Index.build(passages, tmp_path, untrained())
    before = served.version.name
    for number in range(3):  # more changes than versions that are kept
        Index.open(tmp_path).add([extra(f"n{number}", f"第{number}次。")])
    assert served.search("云梦泽", 5)[0].passage.title == "云梦泽"
    assert served.version.name != before


def test_searching_while_versions_come_and_go(passages: list[Passage], tmp_path: Path) -> None:
    served = Index.build(passages, tmp_path, untrained())
    failures: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                assert served.search("韩松的母亲是谁", 1)[0].passage.title == "韩松"
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    writer = Index.open(tmp_path)
    for number in range(5):
        writer.add([extra(f"n{number}")])
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_builders_do_not_mix(passages: list[Passage], tmp_path: Path) -> None:
    index = Index.build(passages, tmp_path)
    problems: list[str] = []

    class Meanwhile(Counting):
        def encode_passages(self, texts: Sequence[str]) -> Vectors:
            with pytest.raises(IndexRefusedError, match="another process") as caught:
                index.add([extra()])
            problems.append(str(caught.value))
            return super().encode_passages(texts)

    Index.build(passages, tmp_path, Meanwhile())
    assert problems


def _build_slowly(passages: list[Passage], folder: Path) -> None:
    Index.build(passages, folder, Counting(slow=60))


def test_killed_while_building_the_old_index_still_serves(
    passages: list[Passage], tmp_path: Path
) -> None:
    served = Index.build(passages, tmp_path, untrained())
    context = multiprocessing.get_context("fork")
    builder = context.Process(target=_build_slowly, args=([extra()], tmp_path))
    builder.start()
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob(".building-*/lexical")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert builder.pid is not None
    os.kill(builder.pid, signal.SIGKILL)
    builder.join()
    assert list(tmp_path.glob(".building-*")), "it was not killed halfway"
    for index in (served, Index.open(tmp_path)):
        assert index.size == len(passages)
        assert index.search("韩松", 1)[0].passage.title == "韩松"
    Index.open(tmp_path).add([extra()])  # neither the lock nor the rubbish is in the way
    assert not list(tmp_path.glob(".building-*"))
    assert served.size == len(passages) + 1


def test_a_build_that_fails_leaves_nothing(passages: list[Passage], tmp_path: Path) -> None:
    Index.build(passages, tmp_path, untrained())

    class Failing(Counting):
        def encode_passages(self, texts: Sequence[str]) -> Vectors:
            raise RuntimeError(f"no memory for {len(texts)}")

    with pytest.raises(RuntimeError):
        Index.build([extra()], tmp_path, Failing())
    assert Index.open(tmp_path).size == len(passages)
    assert not list(tmp_path.glob(".building-*"))


def test_an_id_may_come_once(tmp_path: Path) -> None:
    with pytest.raises(IndexRefusedError, match="'new' comes twice"):
        Index.build([extra(), extra(text="又一次。")], tmp_path)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────


def only_version(folder: Path) -> Path:
    (found,) = folder.glob("v*")
    return found


@pytest.mark.parametrize(
    "part", ["passages.sqlite", "lexical/data.csc.index.npy", "dense/vectors.npy",
             "embedders/*/model.safetensors"],
)  # fmt: skip
@pytest.mark.parametrize("harm", ["truncated", "damaged", "missing"])
def test_harmed_files(part: str, harm: str, passages: list[Passage], tmp_path: Path) -> None:
    Index.build(passages, tmp_path, untrained())
    (path,) = [*only_version(tmp_path).glob(part), *tmp_path.glob(part)]
    content = path.read_bytes()
    if harm == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "damaged":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.unlink()
    with pytest.raises(IndexRefusedError, match=f"{path.name}.*{harm}"):
        Index.open(tmp_path)
    Index.build(passages, tmp_path, untrained())  # building from nothing mends it
    assert Index.open(tmp_path).size == len(passages)


def test_absent_and_foreign_folders(passages: list[Passage], tmp_path: Path) -> None:
    with pytest.raises(IndexRefusedError, match="no index there"):
        Index.open(tmp_path / "absent")
    Index.build(passages, tmp_path, untrained())
    manifest = only_version(tmp_path) / "manifest.json"
    good = json.loads(manifest.read_text())
    for change, reason in (
        ({"format": "other"}, "format 'other'"),
        ({"format_version": 99}, "reads 2"),
        ({"passages": 3}, "disagree"),
        ({"files": None}, "lacks or distorts"),
    ):
        manifest.write_text(json.dumps(good | change))
        with pytest.raises(IndexRefusedError, match=reason):
            Index.open(tmp_path)
    manifest.unlink()
    with pytest.raises(IndexRefusedError, match="never finished"):
        Index.open(tmp_path)


def test_another_embedder_is_refused(passages: list[Passage], tmp_path: Path) -> None:
    Index.build(passages, tmp_path, Counting("one"))
    assert Index.open(tmp_path, Counting("one")).search("韩松", 1, "dense")
    with pytest.raises(IndexRefusedError, match="'one', not 'two'"):
        Index.open(tmp_path, Counting("two"))
    with pytest.raises(IndexRefusedError, match="does not contain"):
        Index.open(tmp_path)


def test_a_bad_new_version_does_not_stop_a_service(passages: list[Passage], tmp_path: Path) -> None:
    served = Index.build(passages, tmp_path)
    shutil.copytree(only_version(tmp_path), tmp_path / "v000009")
    (tmp_path / "v000009" / "passages.sqlite").write_bytes(b"rubbish")
    (tmp_path / "current").write_text("v000009\n")
    assert served.search("韩松", 1)[0].passage.title == "韩松"


def test_info(passages: list[Passage], tmp_path: Path) -> None:
    info = Index.build(passages, tmp_path, untrained()).info()
    assert info["passages"] == len(passages)
    assert info["documents"] == len(passages)
    assert info["languages"] == {"zh": len(passages)}
    assert info["embedder"]["kind"] == "ngram"
    assert info["bytes"] > 1000


def test_the_embedder_is_kept_once_and_goes_with_its_versions(
    passages: list[Passage], tmp_path: Path
) -> None:
    first, second = untrained(), untrained(seed=1)
    index = Index.build(passages, tmp_path, first)
    for number in range(3):
        index.add([extra(f"n{number}")])
    assert [p.name for p in (tmp_path / "embedders").iterdir()] == [first.name]
    assert Index.open(tmp_path).embedder is Index.open(tmp_path).embedder
    for _ in range(2):  # the version before is kept for searches that still read it
        Index.build(passages, tmp_path, second)
    assert [p.name for p in (tmp_path / "embedders").iterdir()] == [second.name]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"", b"../../elsewhere", b"v000001/../../x", b"x" * 9999]
)
def test_a_broken_current_is_refused_and_survived(
    content: bytes, passages: list[Passage], tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    served = Index.build(passages, folder)
    (folder / "current").write_bytes(content)
    assert served.search("《夜航书》的作者是谁?", 1)[0].passage == passages[6]
    with pytest.raises(IndexRefusedError, match="current is damaged"):
        Index.open(folder)
    Index.build(passages, folder)  # a build mends it
    assert Index.open(folder).name == "v000002"
    served.search("?", 1)
    assert served.name == "v000002"


def test_a_damaged_row_costs_itself(passages: list[Passage], tmp_path: Path) -> None:
    served = Index.build(passages, tmp_path / "index")
    path = tmp_path / "index" / served.name / "passages.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE passage SET entities = '[' WHERE position = 6")
        connection.execute("UPDATE passage SET language = 'xx' WHERE position = 5")
    served.version.store.__init__(path)  # type: ignore[misc]  # what was read before is remembered
    found = served.search("《夜航书》的作者是谁?", 8)
    assert found
    assert not {passages[5].id, passages[6].id} & {e.passage.id for e in found}


TRUNCATED = """
import os, sys
from pathlib import Path
from retrieval.errors import IndexRefusedError
from retrieval.index import Index
folder = Path(sys.argv[1])
index = Index.open(folder)
assert index.search("夜航书", 1)
cut = [p for p in (folder / index.name).rglob("*.npy")]
assert len(cut) > 2
for path in cut:
    os.truncate(path, 0)
try:
    index.search("夜航书", 1)
except IndexRefusedError as error:
    print(error)
"""


def test_a_mapped_file_that_is_cut_short_does_not_end_the_process(
    passages: list[Passage], tmp_path: Path
) -> None:
    """Reading it would: the kernel sends SIGBUS."""
    Index.build(passages, tmp_path / "index", untrained())
    done = subprocess.run(
        [sys.executable, "-c", TRUNCATED, str(tmp_path / "index")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "was cut short while it was served" in done.stdout
