"""The wheel in an empty environment outside of the repository: it serves from its own extra."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kg_builder.files import write_jsonl, write_manifest
from tests.service.stores import free_port
from tests.service.world import CAPITAL
from tests.training.bundles import SPEC
from tests.zhizhi.test_service_commands import ModelServer
from training.bundle import Bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
ABSENT = ("torch", "scipy", "pyarrow", "transformers", "sklearn")


def pythons() -> list[str]:
    """This Python, and the newest that is there."""
    found = [sys.executable]
    for minor in range(16, sys.version_info.minor, -1):
        # As pyenv keeps them beside each other; its shims on PATH may lead nowhere.
        beside = sorted(Path(sys.base_prefix).parent.glob(f"*/bin/python3.{minor}"))
        other = str(beside[-1]) if beside else shutil.which(f"python3.{minor}")
        if other and subprocess.run([other, "-c", ""], check=False).returncode == 0:
            return [*found, other]
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT]
    subprocess.run(pip, check=True)
    (found,) = folder.glob("zhizhi-*.whl")
    return found


@pytest.fixture
def server() -> Iterator[ModelServer]:
    server = ModelServer()
    yield server
    server.close()


def run_folder(folder: Path) -> Path:
    """A finished run as a service needs it: a bundle and the mark of its calibration."""
    point = SPEC.operating_points[1].model_copy(update={"name": "webqa"})
    spec = SPEC.model_copy(update={"operating_points": (point,), "default_profile": "webqa"})
    Bundle.save(folder / "bundle", spec, "# card")
    (folder / "calibration").mkdir()
    write_manifest(folder / "calibration", {})
    write_jsonl(folder / "graph" / "questions.jsonl", [])
    return folder


@pytest.mark.parametrize("python", pythons())
def test_the_service_extra_is_enough(
    python: str, wheel: Path, server: ModelServer, tmp_path: Path
) -> None:
    subprocess.run([python, "-m", "venv", tmp_path / "env"], check=True)
    own = tmp_path / "env" / "bin" / "python"
    install = [own, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    subprocess.run([*install, f"{wheel}[service]"], check=True)
    there = f"import importlib.util as u; print([m for m in {ABSENT} if u.find_spec(m)])"
    assert subprocess.check_output([own, "-c", there], text=True).strip() == "[]"

    home = tmp_path / "home"
    (home / "docs").mkdir(parents=True)
    (home / "docs" / "leave.txt").write_text("沈云舟的父亲是沈怀远。", encoding="utf-8")
    (home / "training").mkdir()  # a folder of the user's own
    (home / "training" / "__init__.py").write_text("raise SystemExit('not ours')")
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ZHIZHI_"))}
    environment |= {"ZHIZHI_MODEL_URL": server.url, "ZHIZHI_MODEL_NAME": "tuned",
                    "ZHIZHI_MODEL_BASE_NAME": "untuned", "ZHIZHI_PORT": str(port)}  # fmt: skip
    arguments = ("--out", run_folder(tmp_path / "run"), "--documents", "docs")
    command = [own, "-m", "zhizhi", "serve", *arguments]
    with (home / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stderr=log, stdout=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                until = time.monotonic() + 180
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        client.get("/healthz")
                        break
                    assert process.poll() is None, (home / "log").read_text()
                    assert time.monotonic() < until
                    time.sleep(0.2)
                direct = client.post("/v1/qa", json={"question": CAPITAL}).json()
                assert (direct["route"], direct["answer"]) == ("direct", "巴黎。")
                found = client.post("/v1/qa", json={"question": "沈云舟的父亲是谁?"}).json()
                assert found["route"] == "retrieval", found
                assert "沈怀远" in found["answer"]
        finally:
            process.terminate()
            process.wait(60)
    lacking = subprocess.run(
        [own, "-m", "zhizhi", "train"], cwd=home, capture_output=True, text=True, env=environment
    )
    assert lacking.returncode == 2
    assert "pip install 'zhizhi[" in lacking.stderr, lacking.stderr
