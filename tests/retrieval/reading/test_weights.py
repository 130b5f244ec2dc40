"""Weights with 8 bits each: how far what is loaded may be from what was saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from retrieval.reading.weights import SCALE, WEIGHTS, WeightsError, load_weights, save_quantised

RNG = np.random.default_rng(0)
STEPS = 127


def stored_and_loaded(folder: Path, matrix: np.ndarray) -> np.ndarray:
    save_quantised({"m": matrix.astype(np.float32)}, folder)
    return load_weights(folder)["m"]


@pytest.mark.parametrize("size", [1e-2, 1.0, 30.0])
def test_a_matrix_is_off_by_half_a_step_at_most(tmp_path: Path, size: float) -> None:
    matrix = (size * RNG.standard_normal((40, 64))).astype(np.float32)
    matrix[3] *= 20  # each row has a scale of its own
    loaded = stored_and_loaded(tmp_path, matrix)
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    # The scale is rounded to half precision, which costs the largest weights a little more.
    assert (np.abs(loaded - matrix) <= largest * (0.5 / STEPS + 2**-9)).all()
    assert loaded.dtype == np.float32


def test_the_largest_weight_keeps_its_sign_and_size(tmp_path: Path) -> None:
    matrix = np.array([[1.0, -3.0, 0.5], [-0.25, 0.125, 0.0]], np.float32)
    loaded = stored_and_loaded(tmp_path, matrix)
    np.testing.assert_allclose(loaded[:, [1]], [[-3.0], [0.125]], rtol=0.01)
    assert loaded[1, 2] == 0.0


def test_biases_and_norms_stay_in_half_precision(tmp_path: Path) -> None:
    bias = RNG.standard_normal(50).astype(np.float32)
    save_quantised({"b": bias}, tmp_path)
    np.testing.assert_array_equal(load_weights(tmp_path)["b"], bias.astype(np.float16))


def test_names_stay_and_scales_are_no_tensors_of_their_own(tmp_path: Path) -> None:
    tensors = {"a.weight": np.ones((2, 3), np.float32), "a.bias": np.ones(2, np.float32)}
    save_quantised(tensors, tmp_path)
    assert set(load_weights(tmp_path)) == {"a.weight", "a.bias"}
    stored = load_file(tmp_path / WEIGHTS)
    assert {name: str(tensor.dtype) for name, tensor in stored.items()} == {
        "a.weight": "int8",
        "a.weight" + SCALE: "float16",
        "a.bias": "float16",
    }


def test_a_file_has_about_a_byte_a_weight(tmp_path: Path) -> None:
    save_quantised({"m": RNG.standard_normal((300, 400)).astype(np.float32)}, tmp_path)
    assert (tmp_path / WEIGHTS).stat().st_size < 1.05 * 300 * 400


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e-7, 1e-5])
def test_a_row_of_nothing_is_read_as_nothing(tmp_path: Path, size: float) -> None:
    """The row of a padding token is zero; nothing may be divided by its scale."""
    matrix = np.full((2, 8), size, np.float32)
    matrix[1] = 1.0
    with np.errstate(all="raise", under="ignore"):
        loaded = stored_and_loaded(tmp_path, matrix)
    np.testing.assert_allclose(loaded[0], matrix[0], atol=4e-6)
    np.testing.assert_allclose(loaded[1], matrix[1], rtol=0.01)


def test_weights_of_either_form_are_loaded_as_single_precision(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    matrix = RNG.standard_normal((4, 5)).astype(np.float16)
    save_file({"m": matrix}, tmp_path / WEIGHTS)
    loaded = load_weights(tmp_path)["m"]
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, matrix)


@pytest.mark.parametrize("content", [None, b"", b"no weights at all"])
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(WeightsError, match=WEIGHTS):
        load_weights(tmp_path)
