"""What holds for all tests.

Hypothesis draws the same examples on every CI run; on a developer's machine it goes on exploring. Models run
in one thread, here and in the processes that tests start: the miniatures are too small to be shared out, and
what comes out does not hang on the number of cores.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.runs import SmallRun

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """The offline job done once for all (tests/runs.py): most of a minute."""
    from tests.runs import small_run

    return small_run(tmp_path_factory.mktemp("trained"))
