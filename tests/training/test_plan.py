from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from training.errors import ModelError
from training.mix import MixSettings
from training.plan import GIB, make_plan, probing_memory, tuning_memory
from training.probe import ProbeSettings
from training.sft import lora
from training.sft_settings import SFTSettings
from training.shape import SHIPPED, ModelShape, shape_of

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 500,
}
CONFIGS = [
    LlamaConfig(**SMALL, tie_word_embeddings=True),
    LlamaConfig(**SMALL, tie_word_embeddings=False),
    Qwen2Config(**SMALL, tie_word_embeddings=False),
    Qwen3Config(**SMALL, tie_word_embeddings=True),
]
SETTINGS = {"mix": MixSettings(), "probe": ProbeSettings()}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.model_type)
def test_parameters_are_counted_exactly(config: LlamaConfig, tmp_path: Path) -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    config.save_pretrained(tmp_path)
    shape = shape_of(tmp_path)
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    for layers in (None, [1, 2]):
        with torch.device("meta"):
            fresh = AutoModelForCausalLM.from_config(config)
        tuned = get_peft_model(fresh, lora(SFTSettings(rank=8, layers=layers)))
        expected = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
        assert shape.lora_parameters(8, layers and len(layers)) == expected


def test_the_miniature_itself(miniature: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(miniature)
    assert shape_of(miniature).parameters == sum(p.numel() for p in model.parameters())
    cache = model(torch.tensor([[5]]), use_cache=True).past_key_values
    values = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    assert shape_of(miniature).cache_values == values


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen/Qwen2.5-1.5B-Instruct", 1.54),
        ("Qwen/Qwen2.5-7B-Instruct", 7.62),
        ("Qwen/Qwen2.5-72B-Instruct", 72.71),
        ("Qwen/Qwen3-0.6B", 0.596),
        ("Qwen/Qwen3-8B", 8.19),
        ("Qwen/Qwen3-32B", 32.76),
        ("meta-llama/Llama-3.1-8B-Instruct", 8.03),
        ("meta-llama/Llama-3.3-70B-Instruct", 70.55),
        ("smollm2-135m-instruct", 0.1345),
        ("gemma-3-270m", 0.2681),
    ],
)
def test_shipped_shapes_have_the_published_size(name: str, billions: float) -> None:
    assert shape_of(name).parameters / 1e9 == pytest.approx(billions, rel=0.005)


def test_every_shipped_shape_is_tested() -> None:
    import tomllib

    assert len(tomllib.loads(SHIPPED.read_text(encoding="utf-8"))) == 10


def test_a_plan_counts_without_loading(tmp_path: Path) -> None:
    CONFIGS[0].save_pretrained(tmp_path)
    plan = make_plan(
        tmp_path,
        sft=SFTSettings(epochs=2, batch_size=10, layers=[2]),
        mix=MixSettings(per_class=100, ratio=0.5, wordings=2),
        probe=ProbeSettings(samples=4),
        questions={"train": 900, "calibration": 100},
        devices=3,
    )
    assert plan.probed == 5000
    assert plan.examples == 300
    assert plan.steps == 20
    assert plan.trainable_parameters == shape_of(tmp_path).lora_parameters(32, 1)
    assert plan.fits is None
    told = "\n".join(plan.lines())
    assert "900 train, 100 calibration" in told
    assert "20 steps" in told


def test_qwen3_8b_fits_a_large_device_with_lora_and_a_small_one_with_qlora() -> None:
    settings = SFTSettings(batch_size=8, max_length=512, gradient_checkpointing=True)
    lora_plan = make_plan("Qwen/Qwen3-8B", sft=settings, **SETTINGS, device_memory=80 * GIB)
    assert lora_plan.fits
    assert 16 < lora_plan.tuning.total / GIB < 40
    small = make_plan("Qwen/Qwen3-8B", sft=settings, **SETTINGS, device_memory=16 * GIB)
    assert not small.fits
    assert "does not fit" in small.lines()[-1]
    qlora = settings.model_copy(update={"method": "qlora", "batch_size": 2})
    assert tuning_memory(shape_of("Qwen/Qwen3-8B"), qlora, 87_000_000).total < 14 * GIB
    full = settings.model_copy(update={"method": "full"})
    plan = make_plan("Qwen/Qwen3-8B", sft=full, **SETTINGS)
    assert plan.tuning.total / GIB > 16 * 8.19e9 / GIB  # 16 bytes a weight
    sharded = make_plan("Qwen/Qwen3-8B", sft=full, **SETTINGS, devices=8, sharded=True)
    assert sharded.tuning.weights == plan.tuning.weights // 8
    assert sharded.tuning.activations == plan.tuning.activations


def test_checkpointing_saves_activations() -> None:
    shape = shape_of("Qwen/Qwen3-8B")
    plain = tuning_memory(shape, SFTSettings(), 1)
    saved = tuning_memory(shape, SFTSettings(gradient_checkpointing=True), 1)
    assert saved.activations < plain.activations / 8
    assert probing_memory(shape).weights == shape.parameters * 2


def test_what_has_no_configuration_or_another_family(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither in a folder"):
        shape_of(tmp_path / "nobody" / "nothing")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba", "hidden_size": 8}))
    with pytest.raises(ModelError, match="does not tell its intermediate_size, layers"):
        shape_of(tmp_path)


def test_a_multimodal_models_text_part_counts(tmp_path: Path) -> None:
    config = {"model_type": "llava", "text_config": {**SMALL, "model_type": "llama"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert shape_of(tmp_path) == ModelShape(
        hidden_size=64,
        intermediate_size=160,
        layers=3,
        heads=4,
        kv_heads=2,
        head_dim=16,
        vocabulary=500,
    )


def test_lora_config_is_peft_s() -> None:
    assert isinstance(lora(SFTSettings()), LoraConfig)
