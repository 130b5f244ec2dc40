"""ModelShape: how large a model is, told from its configuration alone."""

from __future__ import annotations

import json
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import ModelError

SHIPPED = Path(__file__).parent / "shapes.toml"


class ModelShape(BaseModel):
    """A decoder of the Llama family (Llama, Qwen, Mistral …)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = False  # input and output embeddings are one
    qkv_bias: bool = False
    qk_norm: bool = False

    @property
    def linears(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each linear map of one layer."""
        h, q, kv = self.hidden_size, self.heads * self.head_dim, self.kv_heads * self.head_dim
        m = self.intermediate_size
        return [(h, q), (h, kv), (h, kv), (q, h), (h, m), (h, m), (m, h)]

    @property
    def layer_parameters(self) -> int:
        bias = (self.heads + 2 * self.kv_heads) * self.head_dim if self.qkv_bias else 0
        norms = 2 * self.hidden_size + (2 * self.head_dim if self.qk_norm else 0)
        return sum(a * b for a, b in self.linears) + bias + norms

    @property
    def embedding_parameters(self) -> int:
        return self.vocabulary * self.hidden_size * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        return self.layers * self.layer_parameters + self.embedding_parameters + self.hidden_size

    def lora_parameters(self, rank: int, layers: int | None = None) -> int:
        """Of adapters on every linear map of ``layers`` layers (None: all)."""
        return (self.layers if layers is None else layers) * rank * sum(map(sum, self.linears))

    @property
    def cache_values(self) -> int:
        """Keys and values that one token leaves in the cache."""
        return 2 * self.layers * self.kv_heads * self.head_dim


def shape_of(base: str | Path, revision: str | None = None) -> ModelShape:
    """The shape of a local model, of one that is known here, or of one whose configuration the hub gives.

    Weights are neither read nor downloaded. Raises ModelError where no configuration can be had.
    """
    path = Path(base) / "config.json"
    if path.is_file():
        return _read(json.loads(path.read_bytes()), str(base))
    if str(base) in _shipped():
        return _shipped()[str(base)]
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            base, revision=revision, trust_remote_code=False
        ).to_dict()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The configuration of {str(base)!r} is neither in a folder of that name nor known here nor "
            f"to be had from the hub. Download its config.json, or add it to {SHIPPED.name}."
        ) from error
    return _read(config, str(base))


@lru_cache
def _shipped() -> dict[str, ModelShape]:
    with SHIPPED.open("rb") as stream:
        return {name: ModelShape.model_validate(v) for name, v in tomllib.load(stream).items()}


def _read(config: dict[str, Any], base: str) -> ModelShape:
    """From a config.json of transformers; a multimodal model's text part counts."""
    config = {**config, **(config.get("text_config") or {})}
    heads = config.get("num_attention_heads")
    hidden = config.get("hidden_size")
    kind = str(config.get("model_type", ""))
    try:
        return ModelShape.model_validate(
            {
                "hidden_size": hidden,
                "intermediate_size": config.get("intermediate_size"),
                "layers": config.get("num_hidden_layers"),
                "heads": heads,
                "kv_heads": config.get("num_key_value_heads") or heads,
                "head_dim": config.get("head_dim")
                or (hidden // heads if hidden and heads else None),
                "vocabulary": config.get("vocab_size"),
                "tied": bool(config.get("tie_word_embeddings", False)),
                "qkv_bias": bool(config.get("attention_bias", kind.startswith("qwen2"))),
                "qk_norm": kind.startswith("qwen3"),
            }
        )
    except ValidationError as error:
        missing = ", ".join(str(fault["loc"][0]) for fault in error.errors())
        raise ModelError(
            f"The configuration of {base!r} does not tell its {missing}: it is no model of the Llama "
            "family, for which alone memory can be estimated."
        ) from error
