"""A GGUF file of the smallest size: a Llama with random weights and a byte-level vocabulary."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

HIDDEN, INNER, HEADS, LAYERS = 32, 64, 2, 2
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def write_gguf(path: Path, *, architecture: str = "llama", template: str | None = TEMPLATE) -> Path:
    """Write it to ``path``; without a ``template`` it is no chat model."""
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, letters[0] + letters[1], "<|end|>"]
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name("miniature")
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges([f"{tokens[0]} {tokens[1]}"])
    for name in ("bos", "eos", "pad"):
        getattr(writer, f"add_{name}_token_id")(len(tokens) - 1)
    if template is not None:
        writer.add_chat_template(template)
    rng = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, rng.normal(0, 0.3, shape).astype(np.float32))

    add("token_embd.weight", len(tokens), HIDDEN)
    add("output_norm.weight", HIDDEN)
    for i in range(LAYERS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{i}.{part}.weight", HIDDEN, HIDDEN)
        for part, shape in (
            ("ffn_gate", (INNER, HIDDEN)),
            ("ffn_up", (INNER, HIDDEN)),
            ("ffn_down", (HIDDEN, INNER)),
        ):
            add(f"blk.{i}.{part}.weight", *shape)
        add(f"blk.{i}.attn_norm.weight", HIDDEN)
        add(f"blk.{i}.ffn_norm.weight", HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
