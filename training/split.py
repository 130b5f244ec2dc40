"""Split: one process's part of work that several processes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nobody_to_wait_for() -> None:
    """The barrier of a process that is alone."""


@dataclass(frozen=True)
class Split:
    """Process ``rank`` of ``count``; ``wait`` returns when all of them have come so far."""

    rank: int = 0
    count: int = 1
    wait: Callable[[], None] = _nobody_to_wait_for

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise ValueError(f"rank {self.rank} of {self.count} processes")

    @property
    def first(self) -> bool:
        return self.rank == 0


ALONE = Split()


def launched() -> Split:
    """The split that ``accelerate launch`` or ``torchrun`` made; ALONE where neither did."""
    import torch
    from accelerate import PartialState

    # Without a GPU it has to be told: it looks for none, and takes each process for alone.
    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes == 1:
        return ALONE
    return Split(state.process_index, state.num_processes, state.wait_for_everyone)
