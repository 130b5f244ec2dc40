"""Documents that come in beside the questions: what a bad file costs, and what a stop leaves."""

from __future__ import annotations

import time
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

from kg_builder.passage import Passage
from retrieval.engines import open_index
from retrieval.index import Index
from service.documents.library import DocumentLibrary
from service.documents.status import LeftOutPart
from service.documents.worker import DocumentWorker, WorkerError

HELD = [Passage(id="shen.md#0", title="沈云舟", text="沈云舟的父亲是沈怀远。")]


class Fragile(DocumentWorker):
    """A worker whose process ends over every file that is called a bomb."""

    def read(
        self, path: Path, identity: str, seconds: float
    ) -> tuple[int, tuple[LeftOutPart, ...]]:
        if "bomb" in identity:
            self.kill()
            raise WorkerError("the process ended.")
        return super().read(path, identity, seconds)


def test_a_file_that_breaks_the_worker_costs_itself(tmp_path: Path) -> None:
    Index.build(HELD, tmp_path)
    library = DocumentLibrary(partial(open_index, tmp_path), seconds=60, worker=Fragile())
    names = ["a.md", "bomb1.md", "b.md", "bomb2.md"]
    try:
        library.submit([(name, BytesIO(f"{name}建于1432年。".encode())) for name in names])
        while library.waiting:
            time.sleep(0.05)
        states = {status.id: (status.state, status.error) for status in library.documents()}
    finally:
        library.close()
    assert states == {
        "shen.md": ("ready", None), "a.md": ("ready", None), "b.md": ("ready", None),
        "bomb1.md": ("failed", "the process ended."), "bomb2.md": ("failed", "the process ended."),
    }  # fmt: skip
    assert open_index(tmp_path).size == 3


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("海宁城的事情很多。" * 100_000, encoding="utf-8")
    (tmp_path / "short.txt").write_text("海宁城的市花是茉莉。", encoding="utf-8")
    worker = DocumentWorker()
    try:
        with pytest.raises(WorkerError, match=r"longer than 0\.001 s"):
            worker.read(tmp_path / "long.txt", "long.txt", 0.001)
        assert worker.read(tmp_path / "short.txt", "short.txt", 60) == (1, ())
        assert [passage.id for passage in worker.take()] == ["short.txt#0"]
        assert worker.take() == []
    finally:
        worker.kill()


def test_what_comes_after_a_withdrawal_stays(tmp_path: Path) -> None:
    Index.build(HELD, tmp_path)
    library = DocumentLibrary(partial(open_index, tmp_path), seconds=60)
    try:
        library.submit([("a.md", BytesIO("海宁城的市花是茉莉。".encode()))])
        gone = library.withdraw("a.md")
        library.submit([("a.md", BytesIO("海宁城的市花是玉兰。".encode()))])
        assert gone is not None
        gone.result(120)
        while library.waiting:
            time.sleep(0.05)
    finally:
        library.close()
    texts = [passage.text for passage in open_index(tmp_path).passages()]
    assert texts == ["沈云舟的父亲是沈怀远。", "海宁城的市花是玉兰。"]
    assert library.withdraw("b.md") is None
