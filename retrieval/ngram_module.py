"""NgramEmbedding: the embedded embedder as a module of sentence-transformers (needs torch)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from sentence_transformers.base.modules import InputModule
from torch import Tensor, nn

from retrieval.embedder import NGRAM_CONFIG, NGRAM_KIND, NGRAM_WEIGHTS, features


class NgramEmbedding(InputModule):
    """An embedding bag over hashed n-grams, weighted by 1 + ln(count).

    ``StaticEmbedding`` of the library does the same over a tokenizer; tokenizers cannot overlap,
    and overlapping bigrams are what finds Chinese names that were never seen.
    """

    config_file_name = NGRAM_CONFIG
    config_keys = ["kind", "buckets", "dimension"]  # noqa: RUF012

    def __init__(
        self,
        buckets: int,
        dimension: int,
        kind: str = NGRAM_KIND,
        weights: NDArray[np.float32] | Tensor | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind, self.buckets, self.dimension = kind, buckets, dimension
        self.embedding = nn.EmbeddingBag(buckets, dimension, mode="sum")
        if weights is not None:
            with torch.no_grad():
                self.embedding.weight.copy_(torch.as_tensor(weights))

    def preprocess(  # type: ignore[override]  # text only
        self, inputs: list[str], prompt: str | None = None, **_: Any
    ) -> dict[str, Tensor]:
        pairs = [features((prompt or "") + text, self.buckets) for text in inputs]
        lengths = [0, *(len(ids) for ids, _ in pairs[:-1])]
        return {
            "input_ids": torch.from_numpy(np.concatenate([ids for ids, _ in pairs])),
            "offsets": torch.from_numpy(np.cumsum(lengths)),
            "gram_weights": torch.from_numpy(np.concatenate([w for _, w in pairs])),
        }

    def forward(self, features: dict[str, Tensor], **_: Any) -> dict[str, Tensor]:
        weight = self.embedding.weight
        features["sentence_embedding"] = self.embedding(
            features["input_ids"], features["offsets"], features["gram_weights"].to(weight.dtype)
        )
        return features

    def get_embedding_dimension(self) -> int:
        return self.dimension

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        # Half precision: the vectors are sums of dozens of rows, rounding cannot be measured.
        half = {k: v.half().contiguous() for k, v in self.state_dict().items()}
        save_file(half, str(Path(output_path) / NGRAM_WEIGHTS))
        self.save_config(output_path)

    @classmethod
    def load(  # type: ignore[override]  # the library's own modules narrow it likewise
        cls, model_name_or_path: str, subfolder: str = "", **_: Any
    ) -> Self:
        module = cls(**cls.load_config(model_name_or_path, subfolder=subfolder))
        cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=module)
        return module
