from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kg_builder.files import write_json
from tests.training.bundles import SPEC, spec_on
from training.attempt import RetrievedPoint
from training.bundle import Bundle, BundleSpec, files_digest, fingerprint, resolve_base
from training.calibrate import needed_for
from training.errors import BundleError
from training.model_card import model_card


@pytest.fixture
def bundle(tmp_path: Path, miniature: Path) -> Bundle:
    folder = tmp_path / "bundle"
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    (folder / "adapter" / "weights.bin").write_bytes(b"\0" * 100)
    return Bundle.save(folder, spec_on(miniature), "# card")


def test_a_bundle_comes_back_as_it_was(bundle: Bundle, miniature: Path) -> None:
    again = Bundle.load(bundle.folder)
    assert again.spec == spec_on(miniature)
    assert again.name == f"small@{again.digest[:8]}"
    assert again.adapter == bundle.folder / "adapter"
    assert again.base_path() == miniature.resolve()


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["bundle.json", "adapter/weights.bin", "README.md"])
def test_one_changed_bit_is_found(bundle: Bundle, name: str) -> None:
    damage(bundle.folder / name)
    with pytest.raises(BundleError, match=f"damaged: {name} has changed"):
        Bundle.load(bundle.folder)


@pytest.mark.parametrize("name", ["bundle.json", "adapter/weights.bin"])
def test_a_missing_file_is_named(bundle: Bundle, name: str) -> None:
    (bundle.folder / name).unlink()
    with pytest.raises(BundleError, match=f"damaged: {name} is missing"):
        Bundle.load(bundle.folder)


@pytest.mark.parametrize(
    "manifest", [None, "", "[]", "{}", '{"files": []}', '{"files": {"a": "b"}}']
)
def test_an_unfinished_bundle(bundle: Bundle, manifest: str | None) -> None:
    path = bundle.folder / "manifest.json"
    path.unlink() if manifest is None else path.write_text(manifest)
    with pytest.raises(BundleError, match="no whole manifest"):
        Bundle.load(bundle.folder)


def test_a_manifest_that_contradicts_itself(bundle: Bundle) -> None:
    path = bundle.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "digest": "0" * 16}))
    with pytest.raises(BundleError, match="contradicts itself"):
        Bundle.load(bundle.folder)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="There is no bundle at"):
        Bundle.load(tmp_path / "none")


def resealed(bundle: Bundle, change: Callable[[dict[str, Any]], object]) -> Path:
    """The bundle with another bundle.json whose checksums are right."""
    from kg_builder.files import sha256_file

    path = bundle.folder / "bundle.json"
    write_json(path, change(json.loads(path.read_text())))
    manifest = json.loads((bundle.folder / "manifest.json").read_text())
    manifest["files"]["bundle.json"] = sha256_file(path)
    write_json(
        bundle.folder / "manifest.json",
        {**manifest, "digest": files_digest(manifest["files"])},
    )
    return bundle.folder


def test_another_format_is_told_before_anything_else(bundle: Bundle) -> None:
    folder = resealed(bundle, lambda _: {"format": 99, "something": "new"})
    with pytest.raises(BundleError, match="has format 99; this version reads 1"):
        Bundle.load(folder)


def test_a_spec_that_lacks_something(bundle: Bundle) -> None:
    folder = resealed(bundle, lambda spec: {k: v for k, v in spec.items() if k != "calibration"})
    with pytest.raises(BundleError, match=r"bundle.json cannot be read(.|\n)*calibration"):
        Bundle.load(folder)
    with pytest.raises(BundleError, match="format None"):
        Bundle.load(resealed(bundle, lambda _: []))


def changed(spec: dict[str, Any], where: str, value: object) -> dict[str, Any]:
    """``spec`` with another value in its first operating point, or in its calibration."""
    part, name = where.split(".")
    if part == "point":
        first, *others = spec["operating_points"]
        return {**spec, "operating_points": [{**first, name: value}, *others]}
    return {**spec, part: {**spec[part], name: value}}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("calibration.intercept", math.nan),
        ("calibration.intercept", math.inf),
        ("calibration.weights", [math.nan, 2.0]),
        ("calibration.means", [0.0, -math.inf]),
        ("calibration.scales", [1.0, 0.0]),
        ("calibration.scales", [1.0]),
        ("point.threshold", math.nan),
        ("point.threshold", -0.5),
        ("point.target_precision", None),  # certified, and for nothing
        ("point.coverage", math.inf),
        ("point.target_precision", 1.5),
    ],
)
def test_numbers_that_would_let_everything_through_are_refused(
    bundle: Bundle, where: str, value: object
) -> None:
    folder = resealed(bundle, lambda spec: changed(spec, where, value))
    with pytest.raises(BundleError, match=r"bundle\.json cannot be read"):
        Bundle.load(folder)


def test_an_adapter_that_the_manifest_does_not_list_is_not_loaded(
    bundle: Bundle, tmp_path: Path, miniature: Path
) -> None:
    (bundle.folder / "adapter" / "model.safetensors").write_bytes(b"another one")
    with pytest.raises(BundleError, match=r"adapter/model\.safetensors, which its manifest"):
        Bundle.load(bundle.folder)
    plain = Bundle.save(tmp_path / "plain", spec_on(miniature), "# card")
    (plain.folder / "adapter").mkdir()
    (plain.folder / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(BundleError, match=r"adapter_config\.json, which its manifest"):
        Bundle.load(plain.folder)


def test_a_foreign_base_is_refused(bundle: Bundle, miniature: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(miniature, other)
    damage(other / "model.safetensors")
    assert fingerprint(other) != fingerprint(miniature)
    spec = bundle.spec.model_copy(
        update={"base": bundle.spec.base.model_copy(update={"id": str(other)})}
    )
    moved = Bundle.save(bundle.folder, spec, "# card")
    with pytest.raises(BundleError, match="made on another base model"):
        moved.base_path()
    shutil.rmtree(other)
    with pytest.raises(BundleError, match=r"base model .* is not there"):
        moved.base_path()


def test_where_a_base_is_looked_for(tmp_path: Path, miniature: Path) -> None:
    assert resolve_base("Qwen/Qwen3-8B") == "Qwen/Qwen3-8B"
    assert isinstance(resolve_base("embedded"), Path)
    assert resolve_base(str(miniature)) == miniature.resolve()
    bundle, base = tmp_path / "run" / "bundle", tmp_path / "run" / "base"
    bundle.mkdir(parents=True)
    base.mkdir()
    assert resolve_base("../base", bundle) == base
    (tmp_path / "elsewhere" / "here").mkdir(parents=True)
    (tmp_path / "elsewhere" / "base").mkdir()
    with contextlib.chdir(tmp_path / "elsewhere" / "here"):
        assert resolve_base("../base", bundle) == base  # beside the bundle goes before
        assert resolve_base("../base") == tmp_path / "elsewhere" / "base"
    assert resolve_base("./absent") == Path("absent")


def test_the_card_tells_what_is_promised() -> None:
    figures = {
        "n_fitting": 100,
        "n_certifying": 90,
        "accuracy_unrefused": 0.5,
        "auroc": 0.9,
        "aurc": 0.1,
        "ece": 0.02,
        "brier": 0.1,
        "auroc_by_signal": {"mean_logprob": 0.8},
    }
    card = model_card(SPEC.model_copy(update={"figures": figures}))
    assert card.startswith("---\nlibrary_name: peft\n")
    assert "| sure | 0.90 | 0.800 | yes | 60 | 0.400 | – | 0.1 |" in card
    assert "| guess | 0.97 | 0.950 | no | 20 | 0.100 | – | 0.1 |" in card
    assert SPEC.prompts["zh"] in card
    assert "Both routes" not in card
    assert "{" not in card.replace("{question}", "")


def test_the_card_tells_what_is_promised_of_both_routes() -> None:
    figures = {"n_fitting": 100, "n_certifying": 90, "accuracy_unrefused": 0.5, "auroc": 0.9}
    figures |= {"aurc": 0.1, "ece": 0.02, "brier": 0.1, "auroc_by_signal": {}}
    sure = SPEC.operating_points[1]
    read = RetrievedPoint(threshold=0.55, certified=True, n=300, coverage=0.8)
    routed = (sure.model_copy(update={"retrieved": read, "closed": ("1", "2")}), sure)
    spec = SPEC.model_copy(update={"figures": figures, "routed_points": {"abc": routed}})
    card = model_card(spec)
    assert "Both routes, over `abc`" in card
    assert "| sure | 0.90 | yes | 0.800 | 0.400 | 1, 2 | 0.550 | 300 |" in card
    assert "| sure | 0.90 | yes | 0.800 | 0.400 | – | – | – |" in card


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        ((), "no threshold reaches it"),
        (((0.9, 0.2, 0.0),), "it would take about 380 certifying questions"),  # 76 answers
        (((0.9, 0.9, 0.0),), "some threshold passes in hindsight"),
    ],
)
def test_the_card_tells_what_a_missing_certificate_would_take(
    curve: tuple[tuple[float, float, float], ...], told: str
) -> None:
    assert needed_for(0.97, 0.1) == 76
    figures = dict.fromkeys(("accuracy_unrefused", "auroc", "aurc", "ece", "brier"), 0.5)
    figures |= {"n_fitting": 100, "n_certifying": 90, "auroc_by_signal": {}}
    card = model_card(SPEC.model_copy(update={"figures": figures, "risk_coverage": curve}))
    assert told in card.partition("A precision of 0.97 could not be certified: ")[2]
    assert "0.90 could not" not in card


def test_the_spec_survives_json() -> None:
    assert BundleSpec.model_validate_json(SPEC.model_dump_json()) == SPEC
