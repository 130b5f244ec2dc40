"""ArmResult and EvaluationResult: everything that was measured, in one file that can be read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from eval.counts import Known, indicators
from eval.errors import EvalError
from eval.record import Record
from eval.settings import EvaluationSettings
from eval.verdict import judge
from kg_builder.files import write_text
from kg_builder.question import Question
from training.attempt import Attempt, OperatingPoint

RESULT = "result.json"


class ArmResult(BaseModel):
    """One arm's records, in the order of the questions, and its latencies in milliseconds."""

    model_config = ConfigDict(extra="forbid")

    name: str
    records: list[Record]
    latencies_ms: list[float] = []


class EvaluationResult(BaseModel):
    """Everything that was measured; eval.table makes figures of it.

    ``known``, ``attempts`` and the records of every arm are aligned with ``questions``. ``attempts`` and
    ``point`` are absent where the system is only known by its answers (a service at some address).
    """

    model_config = ConfigDict(extra="forbid")

    questions: list[Question]
    known: list[Known]
    arms: dict[str, ArmResult]
    attempts: list[Attempt] = []
    point: OperatingPoint | None = None
    settings: EvaluationSettings
    ablation: ArmResult | None = None  # the model tuned on fixed-form answers, its own words
    left_out: int = 0  # questions that the budget did not reach
    provenance: dict[str, Any] = {}

    def attempts_right(self) -> list[bool] | None:
        """Whether the model's best answer to each question is right, refused or not; None where the
        attempts are not known."""
        if not self.attempts:
            return None
        pairs = zip(self.questions, self.attempts, strict=True)
        return [judge(q, a.text) == "correct" for q, a in pairs]

    def rows(self, arm: ArmResult) -> NDArray[np.float64]:
        """The indicator rows of an arm (eval.counts), the base arm's outcomes beside it."""
        base = self.arms.get("base")
        return indicators(
            [r.verdict for r in arm.records],
            self.known,
            None if base is None else [r.verdict for r in base.records],
            [r.retrieved for r in arm.records],
        )

    def save(self, folder: Path) -> Path:
        path = folder / RESULT
        write_text(path, self.model_dump_json() + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> EvaluationResult:
        """Read a result, or the one in a folder. Raises EvalError where there is none."""
        path = path / RESULT if path.is_dir() else path
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise EvalError(
                f"There is no evaluation at {path} ({error.strerror}). Make one: zhizhi eval."
            ) from error
        except ValidationError as error:
            raise EvalError(
                f"{path} is no result of this version: {error.error_count()} fault(s), the first "
                f"{error.errors()[0]['msg']!r}. Evaluate again."
            ) from error
