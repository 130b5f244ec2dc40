"""GGUF files as models of transformers.

A GGUF file holds a model's weights in few bits. It is written out once, in full precision, as a folder in the
user's cache; from then on it is a model like any other, which can be tuned, merged and fingerprinted, and
loads in a second instead of the better part of a minute.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kg_builder.files import read_manifest, write_manifest
from training.errors import ModelError
from training.pretrained.table import installed_parts, pretrained_models, remedy

MAGIC = b"GGUF"
SHARD = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
BLOCK = 1 << 20
LARGE = 1 << 30  # bytes of a GGUF file above which its weights are written in half precision


def cache_folder() -> Path:
    """Where converted models are kept: ZHIZHI_CACHE, or zhizhi/ in the user's cache folder."""
    if named := os.environ.get("ZHIZHI_CACHE"):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "zhizhi"


def is_gguf(base: str) -> bool:
    return base.lower().endswith(".gguf")


def pretrained_folder(name: str) -> Path:
    """The folder of a model of the table, made where it is not there. Raises ModelError where its package is
    missing or holds another file than the table says."""
    wanted = pretrained_models()[name].sha256
    folder = _place(name, wanted)
    if _whole(folder, wanted):
        return folder
    parts = installed_parts(name)
    found = sha256_of(parts)
    if found != wanted:
        raise ModelError(
            f"The base model {name!r} in {parts[0].parent} is another than expected: its sha256 is "
            f"{found[:12]}…, not {wanted[:12]}…. Install {pretrained_models()[name].requirement}: "
            f"{remedy(name)}."
        )
    return _converted(parts, folder, wanted)


def gguf_folder(path: Path) -> Path:
    """The folder of the model in the GGUF file ``path``, whose name may hold wildcards that fit one file.

    Raises ModelError for a file that is not there, is no GGUF file, or holds a model of an unsupported kind.
    """
    path = _the_one(path)
    if SHARD.search(path.name):
        raise ModelError(
            f"{path} is one of several files that hold a model together, which cannot be read. Join them "
            "first: llama-gguf-split --merge."
        )
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ModelError(f"{path} is no GGUF file: it does not begin with {MAGIC.decode()}.")
    found = sha256_of([path])
    folder = _place(path.stem, found)
    return folder if _whole(folder, found) else _converted([path], folder, found)


def sha256_of(parts: Sequence[Path]) -> str:
    """Of the files one after the other."""
    found = hashlib.sha256()
    for part in parts:
        with part.open("rb") as stream:
            while block := stream.read(BLOCK):
                found.update(block)
    return found.hexdigest()


def _the_one(path: Path) -> Path:
    if any(c in path.name for c in "*?["):
        found = sorted(path.parent.glob(path.name))
        if len(found) == 1:
            return found[0]
        told = f"{len(found)} files fit: name one of them" if found else "No file fits"
        raise ModelError(f"{path}: {told}.")
    if not path.is_file():
        raise ModelError(f"There is no GGUF file {path}. Check the path.")
    return path


def _place(name: str, sha256: str) -> Path:
    return cache_folder() / "models" / f"{name}-{sha256[:12]}"


def _whole(folder: Path, sha256: str) -> bool:
    return (read_manifest(folder) or {}).get("gguf_sha256") == sha256


def _converted(parts: Sequence[Path], folder: Path, sha256: str) -> Path:
    """Write the model of a GGUF file, in parts or whole, to ``folder``; the manifest comes last."""
    aside = folder.with_name(f".{folder.name}.building.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        source = parts[0]
        if len(parts) > 1:
            source = aside / "joined.gguf"
            with source.open("wb") as stream:
                for part in parts:
                    with part.open("rb") as piece:
                        shutil.copyfileobj(piece, stream, BLOCK)
        _write_model(source, aside)
        if len(parts) > 1:
            source.unlink()
        write_manifest(aside, {"gguf_sha256": sha256, "file": parts[0].name})
        if not _whole(folder, sha256):  # another process may have been faster
            shutil.rmtree(folder, ignore_errors=True)
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _write_model(source: Path, folder: Path) -> None:
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "Reading a GGUF file needs the package gguf, which is not installed: pip install 'zhizhi[gguf]'."
        ) from error
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype = torch.bfloat16 if source.stat().st_size > LARGE else torch.float32
    where: dict[str, Any] = {"gguf_file": source.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.parent, trust_remote_code=False, **where)
        model: Any = AutoModelForCausalLM.from_pretrained(
            source.parent, dtype=dtype, trust_remote_code=False, **where
        )
    # The readers raise whatever a damaged or unknown file makes them stumble over.
    except Exception as error:
        raise ModelError(
            f"{source} is a GGUF file of a kind that cannot be read: {error} "
            "Supported are those that transformers dequantises (Llama, Qwen, Gemma, Mistral and others)."
        ) from error
    # It is a plain model now: what it was quantised with would forbid saving it.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
