from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kg_builder.question import Question
from tests.training.slow_model import SETTINGS, SlowModel, many_questions, run
from training.language_pack import language_pack
from training.probe import ProbeSettings, ask, probe, read_ledger
from training.split import ALONE, Split

QUESTIONS = many_questions(23)


def ledger_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def test_one_probe_per_question_in_order(tmp_path: Path) -> None:
    found = probe(SlowModel(), QUESTIONS, tmp_path / "l.jsonl", SETTINGS, progress=False)
    assert [p.question_id for p in found] == [q.id for q in QUESTIONS]
    assert all(len({p.greedy.text, *(g.text for g in p.samples)}) == 3 for p in found)


def test_the_prompt_is_the_language_packs() -> None:
    question = QUESTIONS[0]
    assert ask(question) == [{"role": "user", "content": language_pack("zh").prompt(question.text)}]
    assert ask(question, 2)[0]["content"] == language_pack("zh").prompt(question.text, 2)


def test_what_the_ledger_holds_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "l.jsonl"
    first = probe(SlowModel(), QUESTIONS[:10], path, SETTINGS, progress=False)
    model = SlowModel()
    again = probe(model, list(reversed(QUESTIONS)), path, SETTINGS, progress=False)
    assert model.asked == 13 * 3
    assert again[-10:] == list(reversed(first))
    assert len(ledger_lines(path)) == 1 + 23


def test_a_torn_last_line_is_dropped_and_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    whole = probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False)
    expected = path.read_bytes()
    path.write_bytes(expected[:-40])
    model = SlowModel()
    assert probe(model, QUESTIONS, path, SETTINGS, progress=False) == whole
    assert model.asked == 3
    assert path.read_bytes() == expected


@pytest.mark.parametrize("cut", [0, 5])
def test_a_ledger_cut_in_its_head_is_begun_anew(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "l.jsonl"
    whole = probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False)
    expected = path.read_bytes()
    path.write_bytes(expected[:cut])
    assert probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False) == whole
    assert path.read_bytes() == expected


def test_a_damaged_line_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    whole = probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False)
    lines = ledger_lines(path)
    lines[4] = lines[4][:30]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = SlowModel()
    assert probe(model, QUESTIONS, path, SETTINGS, progress=False) == whole
    assert model.asked == 3


@pytest.mark.parametrize(
    ("name", "settings"),
    [("another", SETTINGS), ("slow", SETTINGS.model_copy(update={"temperature": 0.9}))],
)
def test_the_ledger_of_others_is_set_aside(
    tmp_path: Path, name: str, settings: ProbeSettings
) -> None:
    path = tmp_path / "l.jsonl"
    probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False)
    theirs = path.read_bytes()
    model = SlowModel(name=name)
    found = probe(model, QUESTIONS, path, settings, progress=False)
    assert model.asked == len(QUESTIONS) * 3
    assert (tmp_path / "l.jsonl.old").read_bytes() == theirs
    assert json.loads(ledger_lines(path)[0])["model"] == name
    assert probe(SlowModel(name=name), QUESTIONS, path, settings, progress=False) == found


def test_the_chunk_size_may_change(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False)
    model = SlowModel()
    probe(model, QUESTIONS, path, SETTINGS.model_copy(update={"chunk": 2}), progress=False)
    assert model.asked == 0


def test_a_question_that_is_worded_anew_is_asked_anew(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    before = probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False)
    changed = [QUESTIONS[0].model_copy(update={"text": "谁是人物0的爸爸?"}), *QUESTIONS[1:]]
    model = SlowModel()
    after = probe(model, changed, path, SETTINGS, progress=False)
    assert model.asked == 3
    assert after[0].greedy != before[0].greedy
    assert after[1:] == before[1:]
    assert probe(SlowModel(), QUESTIONS, path, SETTINGS, progress=False) == before


def test_reading_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "none.jsonl", {}) == []


def test_no_question_no_ledger(tmp_path: Path) -> None:
    assert probe(SlowModel(), [], tmp_path / "l.jsonl", SETTINGS, progress=False) == []
    assert list(tmp_path.iterdir()) == []


def test_kill_9_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.jsonl")
    path = tmp_path / "killed.jsonl"
    script = Path(__file__).with_name("slow_model.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for lines in (6, 26):  # killed twice
        with subprocess.Popen([sys.executable, script, path, "0.05"], env=environment) as process:
            deadline = time.monotonic() + 120
            while not path.exists() or len(ledger_lines(path)) < lines:
                assert process.poll() is None, "it finished before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.kill()
        assert process.returncode == -9
        assert len(ledger_lines(path)) < 61
    assert run(path) == whole
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def together(path: Path, count: int, questions: list[Question]) -> list[object]:
    """Probe in ``count`` threads, each a process as far as ``probe`` can tell."""
    barrier = threading.Barrier(count)
    found: list[object] = [None] * count

    def work(rank: int) -> None:
        split = Split(rank, count, lambda: barrier.wait(30) and None)
        model = SlowModel()
        found[rank] = (probe(model, questions, path, SETTINGS, progress=False, split=split), model)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


@pytest.mark.parametrize("count", [2, 3, 7])
def test_several_processes_leave_the_ledger_of_one(tmp_path: Path, count: int) -> None:
    alone = probe(SlowModel(), QUESTIONS, tmp_path / "one.jsonl", SETTINGS, progress=False)
    path = tmp_path / "many.jsonl"
    for found, model in together(path, count, QUESTIONS):  # type: ignore[misc]
        assert found == alone
        assert model.asked < len(QUESTIONS) * 3
    assert path.read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("many")] == ["many.jsonl"]


def test_what_killed_processes_asked_is_kept_by_however_many_go_on(tmp_path: Path) -> None:
    alone = probe(SlowModel(), QUESTIONS, tmp_path / "one.jsonl", SETTINGS, progress=False)
    lines = ledger_lines(tmp_path / "one.jsonl")
    for rank, part in enumerate((lines[1:6], lines[6:9], lines[9:11])):
        torn = "\n".join([lines[0], *part, lines[20][:50]])
        (tmp_path / f"many.jsonl.{rank}").write_text(torn, encoding="utf-8")
    for _, model in together(tmp_path / "many.jsonl", 2, QUESTIONS):  # type: ignore[misc]
        assert 0 < model.asked < 13 * 3
    assert (tmp_path / "many.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    (tmp_path / "many.jsonl").rename(tmp_path / "many.jsonl.0")  # alone, with a share left behind
    model = SlowModel()
    found = probe(model, QUESTIONS, tmp_path / "many.jsonl", SETTINGS, progress=False)
    assert (found, model.asked) == (alone, 0)
    assert (tmp_path / "many.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_a_split_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="rank 2 of 2"):
        Split(2, 2)
    assert ALONE.first
