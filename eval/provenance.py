"""Provenance: what is needed to make the same report again."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kg_builder.files import digest
from kg_builder.question import Question

PACKAGES = ("torch", "transformers", "peft", "faiss-cpu", "numpy", "scipy", "scikit-learn")


def provenance(questions: Sequence[Question], **more: Any) -> dict[str, Any]:
    """Hash of the questions, versions, machine and time; ``more`` are the names of model and index."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "questions": digest([q.model_dump(mode="json") for q in questions]),
        **more,
        "versions": {p: v for p in PACKAGES if (v := _version(p)) is not None},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "accelerator": accelerator(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def accelerator() -> str | None:
    """The GPU that a model in this process would use; asks torch only where it is loaded already."""
    import sys

    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name(0))
