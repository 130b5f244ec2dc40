import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from kg_builder.errors import UserError
from zhizhi.beside import Beside, cores, room_beside
from zhizhi.recipe import find_recipe
from zhizhi.stage import Stages

ORPHAN = """
import time
from pathlib import Path
from zhizhi.beside import Beside
if __name__ == "__main__":
    job = Beside(Path({folder!r}), time.sleep, 120)
    print(job._process.pid, flush=True)
    time.sleep(120)
"""


def noted(folder, text):
    (folder / "text.txt").write_text(text, encoding="utf-8")
    print("said on the way")
    return {"length": len(text)}


def waited(_, signal_file):
    while not signal_file.exists():
        time.sleep(0.05)


def test_what_it_returns_and_what_it_raises(tmp_path):
    threads = torch.get_num_threads()
    assert Beside(tmp_path / "a", math.sqrt, 4.0).result() == 2.0
    with pytest.raises(UserError, match="no recipe 'none'"):
        Beside(tmp_path / "b", find_recipe, "none").result()
    with pytest.raises(RuntimeError, match=r"output\.txt"):
        Beside(tmp_path / "c", math.sqrt, -1.0).result()
    assert "ValueError" in (tmp_path / "c" / "output.txt").read_text(encoding="utf-8")
    assert torch.get_num_threads() == threads


@pytest.mark.skipif(not room_beside(), reason="one core, or a GPU: stages run in turn")
def test_a_stage_beside_is_skipped_when_it_is_done(tmp_path, capsys):
    folder, manifest = Stages(tmp_path, 1).begin("note", "Note", 1, noted, "知之").wait()
    assert manifest["length"] == 2
    assert (folder / "text.txt").read_text(encoding="utf-8") == "知之"
    assert "said on the way" in (folder / "output.txt").read_text(encoding="utf-8")
    assert "said on the way" not in capsys.readouterr().out
    again = Stages(tmp_path, 1).begin("note", "Note", 1, noted, "other").wait()
    assert again == (folder, manifest)


@pytest.mark.skipif(not room_beside(), reason="one core, or a GPU: stages run in turn")
def test_the_cores_of_a_stage_that_is_done_are_taken_back(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    stages = Stages(tmp_path, 1)
    pending = stages.begin("wait", "Wait", 1, waited, tmp_path / "go")
    stages.reclaim()
    assert torch.get_num_threads() == 1
    assert not pending.done
    (tmp_path / "go").touch()
    end = time.monotonic() + 60
    while not pending.done and time.monotonic() < end:
        time.sleep(0.05)
    stages.reclaim()
    again = torch.get_num_threads()
    torch.set_num_threads(before)
    assert again == 2
    assert pending.wait()[1]["seconds"] >= 0


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_it_ends_with_a_killed_run(tmp_path):
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN.format(folder=str(tmp_path / "job")), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    run = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=env)
    assert run.stdout is not None
    child = int(run.stdout.readline())
    time.sleep(3)
    run.send_signal(signal.SIGKILL)
    run.wait()
    end = time.monotonic() + 30
    while time.monotonic() < end and _alive(child):
        time.sleep(0.2)
    assert not _alive(child)


def _alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_cores_are_counted():
    assert 1 <= cores() <= (os.cpu_count() or 1)
