"""The loss on completions, against transformers' own."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from training.completion_loss import IGNORE, completion_loss


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            tie_word_embeddings=True,
        )
    )


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of unlike length, padded on the right: ids, labels and mask."""
    torch.manual_seed(1)
    lengths = [(3, 2), (9, 1), (5, 8), (2, 4), (12, 3)]  # of prompt and completion
    width = max(map(sum, lengths))
    ids = torch.randint(1, 50, (len(lengths), width))
    labels, mask = torch.full_like(ids, IGNORE), torch.zeros_like(ids)
    for row, (prompt, completion) in enumerate(lengths):
        labels[row, prompt : prompt + completion] = ids[row, prompt : prompt + completion]
        mask[row, : prompt + completion] = 1
    return ids, labels, mask


@pytest.mark.parametrize("parts", [1, 2, 4, 9])
def test_it_is_the_models_own_loss(model: LlamaForCausalLM, parts: int) -> None:
    ids, labels, mask = batch()
    expected = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    expected.backward()
    wanted = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    total, count = completion_loss(model, ids, labels, parts)
    (total / count).backward()
    assert count == 18
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-5)
    found = [p.grad for p in model.parameters() if p.grad is not None]
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_what_is_padding_does_not_matter(model: LlamaForCausalLM) -> None:
    ids, labels, mask = batch()
    other = torch.where(mask.bool(), ids, 7)
    assert completion_loss(model, ids, labels)[0].item() == pytest.approx(
        completion_loss(model, other, labels)[0].item(), rel=1e-5
    )
