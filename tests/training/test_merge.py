from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from kg_builder.files import read_manifest
from kg_builder.question import Question
from tests.training.bundles import spec_on
from training.bundle import Bundle
from training.engine.local import LocalModel
from training.errors import BundleError, ModelError
from training.generation import Sampling
from training.merge import merge_bundle
from training.probe import ask


@pytest.fixture
def bundle(tmp_path: Path, miniature: Path) -> Bundle:
    """A bundle whose adapter changes every answer: LoRA with random weights on both sides."""
    folder = tmp_path / "bundle"
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(miniature),
        LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False),
    )
    model.save_pretrained(folder / "adapter")
    return Bundle.save(folder, spec_on(miniature), "# card")


def test_the_merged_model_is_the_tuned_one_without_peft(
    bundle: Bundle, miniature: Path, questions: list[Question], local: LocalModel, tmp_path: Path
) -> None:
    out = merge_bundle(bundle, tmp_path / "merged")
    merged = LocalModel.load(out, refusal_prefix="我不知道")
    tuned = LocalModel.load(miniature, adapter=bundle.adapter, refusal_prefix="我不知道")
    assert not hasattr(merged.model, "peft_config")
    asked = [ask(q) for q in questions]
    plain = local.generate(asked, Sampling(max_new_tokens=8))
    for a, b in zip(
        merged.generate(asked, Sampling(max_new_tokens=8)),
        tuned.generate(asked, Sampling(max_new_tokens=8)),
        strict=True,
    ):
        assert a.text == b.text
        assert a.token_logprobs == pytest.approx(b.token_logprobs, abs=1e-3)
        assert a.refusal_probability == pytest.approx(b.refusal_probability, rel=1e-2)
    assert [g.text for g in plain] != [
        g.text for g in tuned.generate(asked, Sampling(max_new_tokens=8))
    ]


def test_it_is_whole_and_says_where_it_comes_from(bundle: Bundle, tmp_path: Path) -> None:
    out = merge_bundle(bundle, tmp_path / "merged")
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "zhizhi.json"} <= names
    assert not any("adapter" in name for name in names)
    assert read_manifest(out)["name"] == bundle.name  # type: ignore[index]
    assert json.loads((out / "zhizhi.json").read_text())["name"] == "small"
    assert not list(tmp_path.glob(".merged*"))


def test_the_same_bundle_is_not_merged_twice_another_is(bundle: Bundle, tmp_path: Path) -> None:
    out = merge_bundle(bundle, tmp_path / "merged")
    before = (out / "model.safetensors").stat().st_mtime_ns
    merge_bundle(bundle, out)
    assert (out / "model.safetensors").stat().st_mtime_ns == before
    other = Bundle(bundle.folder, bundle.spec, "another digest")
    merge_bundle(other, out)
    assert (out / "model.safetensors").stat().st_mtime_ns != before


def test_it_overwrites_nothing_of_others(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("!")
    with pytest.raises(BundleError, match="is not empty"):
        merge_bundle(bundle, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_bundle_without_an_adapter_and_one_tuned_in_full(
    bundle: Bundle, miniature: Path, tmp_path: Path
) -> None:
    shutil.rmtree(bundle.folder / "adapter")
    bare = Bundle.save(bundle.folder, bundle.spec, "# card")
    base = AutoModelForCausalLM.from_pretrained(miniature)
    found = AutoModelForCausalLM.from_pretrained(merge_bundle(bare, tmp_path / "bare"))
    assert torch.equal(found.lm_head.weight, base.lm_head.weight)
    with torch.no_grad():
        base.lm_head.weight.mul_(2)
    base.save_pretrained(bundle.folder / "adapter")
    full = Bundle.save(bundle.folder, bundle.spec, "# card")
    found = AutoModelForCausalLM.from_pretrained(merge_bundle(full, tmp_path / "full"))
    assert torch.equal(found.lm_head.weight, base.lm_head.weight)


def test_an_adapter_that_does_not_fit(bundle: Bundle, tmp_path: Path) -> None:
    path = bundle.folder / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "r": 9}))
    broken = Bundle.save(bundle.folder, bundle.spec, "# card")
    with pytest.raises(ModelError, match="cannot be merged"):
        merge_bundle(broken, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
