from __future__ import annotations

import pytest

from eval.result import EvaluationResult
from tests.eval.small import run_small


@pytest.fixture(scope="session")
def small() -> EvaluationResult:
    """The evaluation of small.py; do not change it."""
    return run_small()
