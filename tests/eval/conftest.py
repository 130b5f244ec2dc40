from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.result import EvaluationResult
from tests.eval.served import served
from tests.eval.small import run_small


@pytest.fixture(scope="session")
def small() -> EvaluationResult:
    """The evaluation of small.py; do not change it."""
    return run_small()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A running service (tests.eval.served), fresh for each module: it remembers what it was asked."""
    with served() as address:
        yield address
