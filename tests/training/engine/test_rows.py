from __future__ import annotations

import pytest
import torch

from training.engine.rows import NUCLEUS, Row, apart, draw, stream_of
from training.generation import Sampling

P = torch.tensor([0.05, 0.4, 0.1, 0.25, 0.2])
DRAWS = 3000


def rows(count: int, seed: int = 0) -> list[Row]:
    return [
        Row(1, None, stream_of(Sampling(seed=seed, temperature=1.0), [i]), 8) for i in range(count)
    ]


def shares(top_p: float) -> list[float]:
    drawn = draw(P.log().expand(DRAWS, -1), rows(DRAWS), top_p)
    return [float((drawn == token).float().mean()) for token in range(len(P))]


def test_draws_follow_the_distribution() -> None:
    assert shares(1.0) == pytest.approx(P.tolist(), abs=0.035)


def test_the_nucleus_is_the_fewest_tokens_that_reach_its_mass() -> None:
    # 0.4 + 0.25 reach 0.6; their probabilities are renormalised
    assert shares(0.6) == pytest.approx([0, 0.4 / 0.65, 0, 0.25 / 0.65, 0], abs=0.035)
    assert shares(0.66) == pytest.approx([0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85], abs=0.035)
    assert shares(1e-9) == [0, 1, 0, 0, 0]


def test_a_nucleus_wider_than_the_first_look_is_found() -> None:
    """Of a large vocabulary some rows are flat, others are sharp: both draw as if all had been sorted."""
    size = 20 * NUCLEUS
    flat, sharp = torch.zeros(size), torch.zeros(size)
    sharp[7] = 12.0
    drawn = draw(torch.stack([flat, sharp]).repeat(500, 1), rows(1000), 0.9)
    assert drawn[::2].unique().numel() > 2 * NUCLEUS
    assert set(drawn[1::2].tolist()) == {7}
    # only the likeliest tokens that reach the mass are ever drawn
    slope = -torch.arange(size) / 1000
    within = int((slope.softmax(-1).cumsum(-1) < 0.5).sum()) + 1
    assert NUCLEUS < int(draw(slope.expand(3000, -1), rows(3000), 0.5).max()) < within


def test_a_row_draws_the_same_in_any_company() -> None:
    logits = torch.randn(40, 300, generator=torch.Generator().manual_seed(1))
    together = draw(logits, rows(40), 0.9)
    alone = [int(draw(logits[i : i + 1], [rows(40)[i]], 0.9)) for i in range(40)]
    assert together.tolist() == alone
    assert draw(logits, rows(40, seed=1), 0.9).tolist() != alone


def test_streams_differ_by_seed_and_prompt_and_repeat() -> None:
    def first(seed: int, prompt: list[int]) -> float:
        return float(torch.rand(1, generator=stream_of(Sampling(seed=seed), prompt)))

    assert first(1, [1, 2]) == first(1, [1, 2])
    assert len({first(1, [1, 2]), first(2, [1, 2]), first(1, [2, 1]), first(1, [12])}) == 4


def test_impossible_tokens_are_never_drawn() -> None:
    logits = torch.tensor([[0.0, float("-inf"), 0.0]]).expand(2000, -1)
    assert set(draw(logits, rows(2000), 1.0).tolist()) == {0, 2}


def test_apart_drops_what_begins_with_another() -> None:
    assert apart([[1, 2, 3], [1, 2], [4], [], [1, 3]]) == [[4], [1, 2], [1, 3]]
