import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from training.bundle import resolve_base
from training.completion_loss import IGNORE, completion_loss
from training.engine.folding import folded, worth_folding
from training.engine.idle import drop_idle_layers
from training.sft import lora
from training.sft_settings import SFTSettings

IDS = torch.arange(20, 44).reshape(2, 12)


@pytest.fixture(scope="module")
def base():
    return AutoModelForCausalLM.from_pretrained(resolve_base("embedded")).eval()


@pytest.fixture
def tuned(base):
    """The base under adapters that are not those of before training, which do nothing."""
    model = get_peft_model(copy.deepcopy(base), lora(SFTSettings(layers=[4, 5], rank=4), [30]))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "trainable_tokens_delta" in name:
                weight.add_(torch.randn_like(weight) * 0.2)
    return model.eval()


@torch.no_grad()
def test_idle_layers_are_dropped_and_nothing_else_changes(base):
    lean = copy.deepcopy(base)
    drop_idle_layers(lean)
    assert len(lean.model.layers) == lean.config.num_hidden_layers == 4 < len(base.model.layers)
    assert torch.equal(lean(IDS).logits, base(IDS).logits)


def test_a_model_whose_layers_all_work_keeps_them(base):
    busy = copy.deepcopy(base)
    with torch.no_grad():
        busy.model.layers[-1].mlp.down_proj.weight[0, 0] = 1.0
    drop_idle_layers(busy)
    assert len(busy.model.layers) == len(base.model.layers)


@torch.no_grad()
def test_folded_it_says_the_same_and_leaves_the_tuned_one_alone(base, tuned):
    before = tuned(IDS).logits
    assert (before - base(IDS).logits).abs().max() > 0.1
    assert worth_folding(tuned)
    assert not worth_folding(base)
    plain = folded(tuned)
    assert not any("lora" in name for name, _ in plain.named_parameters())
    torch.testing.assert_close(plain(IDS).logits, before, atol=1e-3, rtol=1e-4)
    assert torch.equal(tuned(IDS).logits, before)
    # The refusal's row is the output's alone: what the model reads is as it was.
    embedded = plain.get_input_embeddings().weight
    assert torch.equal(embedded, base.get_input_embeddings().weight)
    assert not torch.equal(plain.get_output_embeddings().weight[30], embedded[30])


def test_single_rows_are_trained_as_by_peft_itself(tuned):
    labels = IDS.clone()
    labels[:, :6] = IGNORE
    labels[0, 8] = 30
    inner = tuned.get_base_model()
    total, count = completion_loss(inner, IDS, labels)
    total.backward()
    ours = {n: p.grad.clone() for n, p in tuned.named_parameters() if p.grad is not None}
    tuned.zero_grad()
    hidden = inner.get_decoder()(input_ids=IDS).last_hidden_state[:, :-1]
    wanted = torch.nn.functional.cross_entropy(
        inner.lm_head(hidden).flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
    )
    wanted.backward()
    assert count == 12
    torch.testing.assert_close(total, wanted)
    theirs = {n: p.grad for n, p in tuned.named_parameters() if p.grad is not None}
    assert ours.keys() == theirs.keys()
    assert any("trainable_tokens_delta" in name for name in ours)
    for name, gradient in theirs.items():
        off = (ours[name] - gradient).abs().max()  # sums of thousands of products, in another order
        assert off <= 1e-3 * gradient.abs().max(), name


def test_adapters_without_rows_keep_the_weights_tied(base):
    model = get_peft_model(
        copy.deepcopy(base), LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    )
    plain = folded(model)
    assert plain.config.tie_word_embeddings
    assert plain.get_output_embeddings().weight is plain.get_input_embeddings().weight
