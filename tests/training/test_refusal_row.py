"""The refusal's own row in the output projection: trained, kept, served and merged."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from kg_builder.question import Question
from tests.training.bundles import spec_on
from training.bundle import Bundle
from training.engine.local import LocalModel
from training.merge import merge_bundle
from training.sft import lora, refusal_openings
from training.sft_settings import SFTSettings


@pytest.fixture
def opening(miniature: Path, questions: list[Question]) -> int:
    openings = refusal_openings(AutoTokenizer.from_pretrained(miniature), {"test": questions})
    assert len(openings) == 1
    return openings[0][0]


@pytest.fixture
def bundle(tmp_path: Path, miniature: Path, opening: int) -> Bundle:
    """A bundle whose adapter has another row for the refusal and nothing else."""
    base = AutoModelForCausalLM.from_pretrained(miniature)
    model = get_peft_model(base, lora(SFTSettings(rank=2, layers=[1]), [opening]))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.add_(1.0)
    model.save_pretrained(tmp_path / "bundle" / "adapter")
    return Bundle.save(tmp_path / "bundle", spec_on(miniature), "# card")


def logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0]  # type: ignore[no-any-return]


def test_nothing_below_the_tuned_layers_needs_gradients(miniature: Path, opening: int) -> None:
    base = AutoModelForCausalLM.from_pretrained(miniature)
    model = get_peft_model(base, lora(SFTSettings(rank=2, layers=[1]), [opening]))
    embedded = model.get_base_model().get_decoder().embed_tokens(torch.tensor([[opening]]))
    assert not embedded.requires_grad
    rows = [p for name, p in model.named_parameters() if "trainable_tokens_delta" in name]
    assert [tuple(row.shape) for row in rows] == [(1, base.config.hidden_size)]
    assert rows[0].requires_grad


def test_only_the_refusal_competes_differently(
    bundle: Bundle, miniature: Path, opening: int
) -> None:
    base = AutoModelForCausalLM.from_pretrained(miniature)
    ids = [5, opening, 9, 7]
    before = logits(base, ids)
    tuned = PeftModel.from_pretrained(base, str(bundle.adapter))
    changed = (logits(tuned, ids) - before).abs().amax(0).nonzero().flatten().tolist()
    assert changed == [opening]


def test_merged_it_reads_as_before(
    bundle: Bundle, miniature: Path, opening: int, tmp_path: Path
) -> None:
    merged = AutoModelForCausalLM.from_pretrained(merge_bundle(bundle, tmp_path / "merged"))
    tuned = LocalModel.load(miniature, adapter=bundle.adapter).model
    # The refusal's token is read here: a row that was merged into both ends would be heard.
    ids = [5, opening, 9, 7]
    assert torch.allclose(logits(merged, ids), logits(tuned, ids), atol=1e-4)
    base = AutoModelForCausalLM.from_pretrained(miniature)
    assert torch.equal(merged.get_input_embeddings().weight, base.get_input_embeddings().weight)
