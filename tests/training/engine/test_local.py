"""The decoding loop against transformers itself, on a real model of the smallest size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from kg_builder.question import Question
from training.engine.local import LocalModel
from training.errors import ModelError
from training.generation import Generation, Message, Model, Sampling
from training.language_pack import language_pack
from training.probe import ask

PREFIX = language_pack("zh").refusal_prefix
GREEDY = Sampling(max_new_tokens=12)
SAMPLED = Sampling(max_new_tokens=12, temperature=1.3, top_p=0.95, seed=7)


@pytest.fixture(scope="module")
def conversations(questions: list[Question]) -> list[list[Message]]:
    """Prompts of very different lengths."""
    asked = [ask(q, i % 5) for i, q in enumerate(questions)][::2]
    talk: list[Message] = [
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "你好!有什么可以帮你?"},
        {"role": "user", "content": "岳清的父亲是?"},
    ]
    return [*asked, talk]


@pytest.fixture(scope="module")
def greedy(local: LocalModel, conversations: list[list[Message]]) -> list[Generation]:
    return local.generate(conversations, GREEDY)


def prompt_ids(local: LocalModel, conversation: list[Message]) -> list[int]:
    text = local.tokenizer.apply_chat_template(
        conversation, tokenize=False, add_generation_prompt=True
    )
    return list(local.tokenizer(str(text), add_special_tokens=False)["input_ids"])


def reference(local: LocalModel, conversation: list[Message], new_tokens: int) -> list[int]:
    """What transformers' own greedy ``generate`` says to one prompt alone."""
    ids = torch.tensor([prompt_ids(local, conversation)])
    out = local.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False
    )
    return [int(token) for token in out[0, ids.shape[1] :]]


def plain(local: LocalModel, ids: list[int]) -> torch.Tensor:
    """Log-probabilities of the next token at every place, (tokens, vocabulary), by one plain forward."""
    with torch.inference_mode():
        return local.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)


def same(a: Generation, b: Generation) -> None:
    """Equal but for the rounding that another batch shape brings."""
    assert a.text == b.text
    assert a.finish_reason == b.finish_reason
    assert a.token_logprobs == pytest.approx(b.token_logprobs, abs=1e-4)
    assert a.token_entropies == pytest.approx(b.token_entropies, abs=1e-4)
    assert a.token_margins == pytest.approx(b.token_margins, abs=1e-4)
    assert a.refusal_probability == pytest.approx(b.refusal_probability, rel=1e-3)


def test_it_is_a_model(local: LocalModel) -> None:
    assert isinstance(local, Model)
    assert local.generate([], GREEDY) == []


def test_it_has_learnt_something(greedy: list[Generation], questions: list[Question]) -> None:
    texts = [g.text for g in greedy]
    right = [q.gold.text in text for q, text in zip(questions[::2], texts[:-1], strict=True)]
    assert sum(right) >= 3  # of the six that it was told often
    assert len({*texts}) > 4


def test_greedy_tokens_are_those_of_generate(
    local: LocalModel, conversations: list[list[Message]], greedy: list[Generation]
) -> None:
    for conversation, found in zip(conversations, greedy, strict=True):
        expected = reference(local, conversation, GREEDY.max_new_tokens)
        assert found.text == local.tokenizer.decode(expected, skip_special_tokens=True).strip()
        assert found.completion_tokens == len(expected)
        assert found.prompt_tokens == len(prompt_ids(local, conversation))
        ended = expected[-1] in local.end_ids
        assert found.finish_reason == ("stop" if ended else "length")


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
@pytest.mark.parametrize("tokens_per_batch", [1, 150, 700])
def test_nothing_depends_on_the_rest_of_the_batch(
    local: LocalModel,
    conversations: list[list[Message]],
    sampling: Sampling,
    tokens_per_batch: int,
) -> None:
    other = LocalModel(
        local.model,
        local.tokenizer,
        name="other",
        refusal_prefix=PREFIX,
        tokens_per_batch=tokens_per_batch,
    )
    expected = local.generate(conversations, sampling)
    order = list(range(len(conversations)))[::-1]
    found = other.generate([conversations[i] for i in order], sampling)
    for i, one in zip(order, found, strict=True):
        same(one, expected[i])


def test_logprobs_entropies_and_margins_are_a_plain_forwards(
    local: LocalModel, conversations: list[list[Message]]
) -> None:
    for conversation in conversations[:6]:
        prompt = prompt_ids(local, conversation)
        completion = reference(local, conversation, 12)
        logprobs = plain(local, prompt + completion)[len(prompt) - 1 : -1]
        found = local.generate([conversation], GREEDY)[0]
        picked = logprobs[range(len(completion)), completion]
        assert found.token_logprobs == pytest.approx(picked.tolist(), abs=1e-4)
        entropy = -(logprobs.exp() * logprobs).sum(-1)
        assert found.token_entropies == pytest.approx(entropy.tolist(), abs=1e-4)
        top = logprobs.exp().topk(2).values
        assert found.token_margins == pytest.approx((top[:, 0] - top[:, 1]).tolist(), abs=1e-4)


def refusal_probability(local: LocalModel, prompt: list[int], prefix: str) -> float:
    ids = local.tokenizer(prefix, add_special_tokens=False)["input_ids"]
    logprobs = plain(local, prompt + ids)
    return math.exp(sum(float(logprobs[len(prompt) - 1 + i, t]) for i, t in enumerate(ids)))


def test_refusal_probability_is_the_product_of_its_tokens(
    local: LocalModel, conversations: list[list[Message]], greedy: list[Generation]
) -> None:
    assert len(local.prefixes[0]) > 1
    for conversation, found in zip(conversations, greedy, strict=True):
        expected = refusal_probability(local, prompt_ids(local, conversation), PREFIX)
        assert found.refusal_probability == pytest.approx(expected, rel=1e-3)


def test_several_prefixes_add_up(
    local: LocalModel, conversations: list[list[Message]], greedy: list[Generation]
) -> None:
    both = LocalModel(
        local.model, local.tokenizer, name="both", refusal_prefix=(PREFIX, "岳山", "岳山。", "")
    )
    found = both.generate(conversations[:4], GREEDY)
    for conversation, one, alone in zip(conversations[:4], found, greedy[:4], strict=True):
        prompt = prompt_ids(local, conversation)
        expected = sum(refusal_probability(local, prompt, p) for p in (PREFIX, "岳山"))
        assert one.refusal_probability == pytest.approx(expected, rel=1e-3)
        assert one.text == alone.text


def test_without_a_prefix_there_is_no_refusal_probability(
    local: LocalModel, conversations: list[list[Message]], greedy: list[Generation]
) -> None:
    bare = LocalModel(local.model, local.tokenizer, name="bare")
    found = bare.generate(conversations[:3], GREEDY)
    assert [g.refusal_probability for g in found] == [None] * 3
    assert [g.text for g in found] == [g.text for g in greedy[:3]]


def test_suppress_refusal_masks_the_first_token_at_the_first_place_only(
    local: LocalModel, conversations: list[list[Message]], greedy: list[Generation]
) -> None:
    # What the miniature says to the first question plays the refusal.
    said = greedy[0].text[:2]
    model = LocalModel(local.model, local.tokenizer, name="m", refusal_prefix=said)
    suppressed = model.generate(conversations, GREEDY.model_copy(update={"suppress_refusal": True}))
    first = model.prefixes[0][0]
    begun = str(local.tokenizer.decode([first]))
    for conversation, found, free in zip(conversations, suppressed, greedy, strict=True):
        assert not found.text.startswith(begun)
        if not free.text.startswith(begun):
            assert found.text == free.text
        logits = plain(local, prompt_ids(local, conversation))[-1].clone()
        natural = float(logits[first].exp())
        logits[first] = -math.inf
        best = logits.log_softmax(-1).max()
        # The log-probability is that of the answer given that it is no refusal.
        assert found.token_logprobs[0] == pytest.approx(float(best), abs=1e-4)
        assert 0 < natural < 1
    assert any(g.text.startswith(begun) for g in greedy)


def test_a_tiny_nucleus_is_greedy(local: LocalModel, conversations: list[list[Message]]) -> None:
    sampling = SAMPLED.model_copy(update={"top_p": 1e-6})
    assert [g.text for g in local.generate(conversations, sampling)] == [
        g.text for g in local.generate(conversations, GREEDY)
    ]


def test_seeds_repeat_and_differ(local: LocalModel, conversations: list[list[Message]]) -> None:
    def texts(seed: int) -> list[str]:
        hot = SAMPLED.model_copy(update={"seed": seed, "temperature": 3.0})
        return [g.text for g in local.generate(conversations[:8], hot)]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


class Forgetful:
    """The model on a device on which only so many rows fit."""

    def __init__(self, model: Any, rows: int) -> None:
        self._model = model
        self.rows = rows
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def eval(self) -> Forgetful:
        return self

    def __call__(self, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        if len(input_ids) > self.rows:
            self.failures += 1
            raise torch.OutOfMemoryError("out of memory")
        return self._model(input_ids=input_ids, **kwargs)


def test_out_of_memory_halves_the_batch_for_good(
    local: LocalModel, conversations: list[list[Message]], greedy: list[Generation]
) -> None:
    device = Forgetful(local.model, rows=3)
    model = LocalModel(device, local.tokenizer, name="m", refusal_prefix=PREFIX)
    for found, expected in zip(model.generate(conversations, GREEDY), greedy, strict=True):
        same(found, expected)
    assert device.failures > 0
    before = device.failures
    model.generate(conversations, GREEDY)
    assert device.failures <= before


def test_a_prompt_that_never_fits_is_told(
    local: LocalModel, conversations: list[list[Message]]
) -> None:
    model = LocalModel(Forgetful(local.model, rows=0), local.tokenizer, name="m")
    with pytest.raises(ModelError, match="does not fit the device's memory"):
        model.generate(conversations[:2], GREEDY)


def test_spread_over_devices_and_in_another_precision_it_says_the_same(
    miniature: Path, local: LocalModel, conversations: list[list[Message]]
) -> None:
    spread = LocalModel.load(miniature, device="spread", dtype="float32", refusal_prefix=PREFIX)
    found = spread.generate(conversations[:4], GREEDY)
    for one, expected in zip(found, local.generate(conversations[:4], GREEDY), strict=True):
        same(one, expected)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Cannot load the model"):
        LocalModel.load(tmp_path)


def test_a_model_without_a_chat_template(tmp_path: Path, miniature: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(miniature)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    AutoModelForCausalLM.from_pretrained(miniature).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no chat template"):
        LocalModel.load(tmp_path)


def test_an_adapter_of_another_model(tmp_path: Path, miniature: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    other = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )
    get_peft_model(other, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="cannot be put on"):
        LocalModel.load(miniature, adapter=tmp_path)


def test_a_fully_tuned_model_stands_in_the_bases_place(
    tmp_path: Path, miniature: Path, local: LocalModel, questions: list[Question]
) -> None:
    model = AutoModelForCausalLM.from_pretrained(miniature)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    model.save_pretrained(tmp_path)
    asked = [ask(questions[0])]
    found = LocalModel.load(miniature, adapter=tmp_path).generate(asked, GREEDY)
    assert found[0].text != local.generate(asked, GREEDY)[0].text
