from pathlib import Path
from typing import Any

import pytest

from kg_builder.files import read_manifest
from zhizhi.stage import Stages


def test_a_finished_stage_is_skipped_and_a_changed_one_runs_again(tmp_path: Path) -> None:
    calls: list[str] = []

    def work(folder: Path) -> dict[str, Any]:
        calls.append(folder.name)
        return {"answer": 42}

    for inputs in ("a", "a", "b"):
        folder, manifest = Stages(tmp_path, 1).run("probe", "Probe", inputs, work)
        assert manifest["answer"] == 42
    assert calls == ["probe", "probe"]
    assert read_manifest(folder) == manifest


def test_a_stage_that_failed_is_not_marked_as_done(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        Stages(tmp_path, 1).run("sft", "Tune", "a", fail)
    assert read_manifest(tmp_path / "sft") is None
