"""Merge: a bundle's adapter put into its base, a plain model that any server loads without PEFT."""

from __future__ import annotations

import shutil
from pathlib import Path

from kg_builder.files import read_manifest, sha256_file, write_manifest
from training.bundle import Bundle
from training.engine.folding import merged
from training.errors import BundleError, ModelError

SPEC = "zhizhi.json"  # the bundle's specification: prompt, refusal, calibration


def merge_bundle(bundle: Bundle, out: Path, *, dtype: str = "auto") -> Path:
    """Write the bundle's model to ``out`` in safetensors, with tokenizer and chat template; return ``out``.

    What gives the bundle its name is kept in manifest.json, its specification in zhizhi.json. A merge of
    the same bundle is left as it is. Raises BundleError when ``out`` holds something else, ModelError
    when the adapter cannot be put into the base.
    """
    done = read_manifest(out)
    if done is not None and done.get("bundle") == bundle.digest and done.get("dtype") == dtype:
        return out
    if out.exists() and any(out.iterdir()) and (done is None or "bundle" not in done):
        raise BundleError(f"{out} is not empty. Name another folder, or empty it.")

    from training.engine.loading import load_network, load_tokenizer

    base, adapter, revision = bundle.base_path(), bundle.adapter, bundle.spec.base.revision
    with_peft = adapter is not None and (adapter / "adapter_config.json").is_file()
    weights, pinned = (base, revision) if adapter is None or with_peft else (adapter, None)
    try:
        tokenizer = load_tokenizer(base, revision=revision, few_shot=bundle.spec.base.few_shot)
        model = load_network(weights, revision=pinned, dtype=dtype, placed=False)
        if with_peft and adapter is not None:
            from peft import PeftModel

            model = merged(PeftModel.from_pretrained(model, str(adapter)))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"Bundle {bundle.folder} cannot be merged: {error}") from error

    aside = out.with_name(f".{out.name}.building")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    model.save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    shutil.copyfile(bundle.folder / "bundle.json", aside / SPEC)
    files = {path.name: sha256_file(path) for path in sorted(aside.iterdir())}
    write_manifest(
        aside, {"bundle": bundle.digest, "name": bundle.name, "dtype": dtype, "files": files}
    )
    shutil.rmtree(out, ignore_errors=True)
    aside.rename(out)
    return out
