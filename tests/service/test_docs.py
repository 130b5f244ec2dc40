"""docs/service.md does what it says: its commands and programs are executed against the service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kg_builder.passage import Passage
from retrieval.index import Index
from service.settings import settings_table
from tests.service.serving import serving

PAGE = Path(__file__).parents[2] / "docs" / "service.md"
BLOCKS = re.findall(
    r"^```(bash|python)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S
)
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    Index.build(
        [Passage(id="shen.md#0", title="沈云舟", text="沈云舟的父亲是沈怀远。")], folder / "index"
    )
    log = f"sqlite:///{folder}/questions.db"
    with serving(ZHIZHI_LOG_URL=log, SMALL_INDEX=str(folder / "index")) as (_, url):
        yield url.rstrip("/")


def test_the_settings_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split("<!-- settings -->")[1].split("<!-- /settings -->")[0].strip()
    assert shown == settings_table(), (
        "run: python -m service.settings > the table of docs/service.md"
    )


def test_there_is_something_to_execute() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_examples_work(number: int, url: str, tmp_path: Path) -> None:
    language, code = BLOCKS[number]
    code = code.replace(ADDRESS, url)
    if language == "bash" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    program = ["bash", "-euc", code.replace("curl ", "curl --fail-with-body ")]
    if language == "python":
        program = [sys.executable, "-c", code]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    if "/v1/qa " in code:
        assert json.loads(done.stdout)["route"] in ("direct", "retrieval", "refused")
    if language == "python":
        assert "岳云的父亲是岳飞" in done.stdout or "Shakespeare" in done.stdout
