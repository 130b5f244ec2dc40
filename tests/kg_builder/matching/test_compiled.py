import importlib
import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from kg_builder import compiling
from kg_builder.compiling import CompileError, compile_matching
from kg_builder.matching import compiled

ROOT = Path(__file__).parents[3]
JUDGE = """
import json, sys
sys.path[:0] = ["tests/kg_builder/matching", "bench"]
from kg_builder.matching import IS_COMPILED, matches
from matches import pairs
from test_cases import _LINES, _gold
found = [matches(answer, gold, question=question) for answer, gold, question in pairs()]
for line in _LINES:
    _, answer, gold, options, question, _ = line.split("\\t")
    found.append(matches(answer, _gold(gold, options), question=question))
print(json.dumps([IS_COMPILED, found]))
"""


def judged(switch: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", JUDGE],
        cwd=ROOT,
        env={**os.environ, compiled.SWITCH: switch},
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


@pytest.mark.skipif(not compiled.is_fresh(), reason="not compiled: make compile")
def test_compiled_code_judges_like_its_source() -> None:
    fast, slow = judged("1"), judged("0")
    assert (fast[0], slow[0]) == (True, False)
    assert fast[1] == slow[1]
    assert len(str(fast[1])) > 10_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    monkeypatch.delenv(compiled.SWITCH, raising=False)
    (tmp_path / compiled.DIGEST).write_text(compiled.digest())
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_code_older_than_its_source_is_not_used(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled.is_fresh()
    sources = tmp_path_factory.mktemp("sources")
    for name in compiled.MODULES:
        shutil.copy(compiled.SOURCES / f"{name}.py", sources)
    monkeypatch.setattr(compiled, "SOURCES", sources)
    assert compiled.is_fresh()
    with (sources / "stance.py").open("a") as file:
        file.write("# changed\n")
    assert not compiled.is_fresh()
    assert not compiled.use(["there"])


def test_code_that_cannot_be_loaded_is_not_used(folder: Path) -> None:
    path = ["there"]
    assert not compiled.use(path)  # there is none
    (folder / f"broken{compiled.LIBRARY}{EXTENSION_SUFFIXES[0]}").write_bytes(b"no library")
    assert not compiled.use(path)
    assert path == ["there"]
    assert f"broken{compiled.LIBRARY}" not in sys.modules


def test_what_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "is_fresh", lambda: False)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(CompileError, match="gcc"):
        compile_matching()
    monkeypatch.setattr(compiling, "find_spec", lambda _: None)
    with pytest.raises(CompileError, match="mypyc and setuptools not installed"):
        compile_matching()


def test_every_module_that_judges_is_compiled() -> None:
    aside = {"__init__", "compiled", "report"}
    assert {path.stem for path in compiled.SOURCES.glob("*.py")} - aside == set(compiled.MODULES)
    for name in compiled.MODULES:
        importlib.import_module(f"kg_builder.matching.{name}")
