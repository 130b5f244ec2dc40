"""Checkpoints of a transformers Trainer, as far as they are whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

STATE = "trainer_state.json"  # the Trainer writes it last


def last_whole(folder: Path) -> str | None:
    """The newest checkpoint to continue from; None where there is none.

    What a kill left half written is removed: the Trainer would stumble over it.
    """
    whole: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        step = path.name.rpartition("-")[2]
        if step.isdigit() and _is_whole(path):
            whole[int(step)] = path
        else:
            shutil.rmtree(path, ignore_errors=True)
    return str(whole[max(whole)]) if whole else None


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(json.loads((path / STATE).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
