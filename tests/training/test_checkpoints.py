from pathlib import Path

from training.checkpoints import last_whole


def checkpoint(folder: Path, step: int, state: str | None = "{}") -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights")
    if state is not None:
        (path / "trainer_state.json").write_text(state)
    return path


def test_the_newest_by_number(tmp_path: Path) -> None:
    checkpoint(tmp_path, 9)
    newest = checkpoint(tmp_path, 10)
    assert last_whole(tmp_path) == str(newest)


def test_half_written_ones_are_removed(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 5)
    torn, cut = checkpoint(tmp_path, 6, None), checkpoint(tmp_path, 7, '{"epoch": ')
    assert last_whole(tmp_path) == str(whole)
    assert not torn.exists()
    assert not cut.exists()


def test_nothing_to_continue_from(tmp_path: Path) -> None:
    assert last_whole(tmp_path) is None
    assert last_whole(tmp_path / "absent") is None
