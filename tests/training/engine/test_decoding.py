"""Prompts that begin alike are read once as far as they do, which changes nothing."""

from pathlib import Path

import pytest

from training.engine.decoding import SHARED, common_prefix
from training.engine.local import LocalModel
from training.generation import Message, Sampling

PREFIX = "我不知道"
LEAD = "请回答问题,不知道就说不知道。" * 2  # longer than what is worth sharing


def conversations() -> list[list[Message]]:
    names = ["岳清", "林素", "周启的", "陈墨", "苏晚", "韩铁", "赵璧的那个", "钱塘"]
    return [[{"role": "user", "content": f"{LEAD}{name}的父亲是?"}] for name in names]


def test_a_beginning_in_common_is_as_long_as_it_is_worth() -> None:
    lead = list(range(SHARED))
    assert common_prefix([[*lead, 1, 2], [*lead, 3]]) == SHARED
    assert common_prefix([[*lead, 1], [*lead, 1, 2]]) == SHARED  # each keeps a token of its own
    assert common_prefix([[*lead[:-1], 50], [*lead[:-1], 51]]) == 0
    assert common_prefix([[*lead, 1]]) == 0
    assert common_prefix([lead, lead]) == 0


@pytest.mark.parametrize("tokens_per_batch", [16_384, 200])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_shared_is_what_each_prompt_says_alone(
    miniature: Path, tokens_per_batch: int, temperature: float
) -> None:
    model = LocalModel.load(
        miniature, refusal_prefix=PREFIX, dtype="float32", tokens_per_batch=tokens_per_batch
    )
    asked = conversations()
    assert common_prefix([model._encode(one) for one in asked]) >= SHARED
    sampling = Sampling(max_new_tokens=12, temperature=temperature)
    together = model.generate(asked, sampling)
    for one, found in zip(asked, together, strict=True):
        alone = model.generate([one], sampling)[0]
        assert found.text == alone.text
        assert found.token_logprobs == pytest.approx(alone.token_logprobs, abs=1e-4)
        assert found.refusal_probability == pytest.approx(alone.refusal_probability, abs=1e-5)
    drafted = model.generate(asked, sampling, [g.text for g in together])
    assert [g.text for g in drafted] == [g.text for g in together]
    likely = model.probability(asked, ["岳山", PREFIX])
    assert likely[3] == pytest.approx(model.probability(asked[3:4], ["岳山", PREFIX])[0], abs=1e-6)
