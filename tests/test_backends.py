"""The layers' own tests once more on the JAX backend, which must be chosen before Keras is imported, and a short run of each
article on both backends and in each precision."""

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
TESTS = pathlib.Path(__file__).resolve().parent / "common"
LAYERS = ["latent", "flow", "crf", "gated_conv", "attention", "losses", "capsule", "spectral"]
ORACLES = ("definition or loop or enumeration or jacobian or inverse_undoes or numpy or closed_form or formula or padding "
           "or trains_saves_and_loads or float32_under_any_policy or sigma or svd")


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the whole suite is running on JAX already")
@pytest.mark.parametrize("names", [ORACLES, pytest.param("test", marks=pytest.mark.slow)], ids=["oracles", "all"])
@pytest.mark.parametrize("layer", LAYERS)
def test_layers_on_jax(layer, names):
    """make test: the comparisons with the oracles; make test-slow: all."""
    result = subprocess.run([sys.executable, "-m", "pytest", "-k", names, str(TESTS / f"test_{layer}.py")],
                            env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("backend, precision", [("tensorflow", "mixed_bfloat16"), ("tensorflow", "mixed_float16"),
                                                ("jax", "float32"), ("jax", "mixed_bfloat16"), ("jax", "mixed_float16")])
@pytest.mark.parametrize("article", sorted(path.parent.name for path in ROOT.glob("*/train.py")
                                           if path.parent.name != "nl2sql"))
def test_a_short_run_of_each_article(tmp_path, article, backend, precision):
    """On TensorFlow in float32: tests/test_scripts.py. What the runs learn on both: benchmarks/backends.py."""
    environment = {name: value for name, value in os.environ.items() if name != "KEXUE_DATA"} | {"KERAS_BACKEND": backend}
    result = subprocess.run([sys.executable, str(ROOT / article / "train.py"), "--smoke", "--precision", precision,
                             "--out", str(tmp_path)], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert f"keras on {backend}" in result.stdout
    folder, = tmp_path.glob("*/*")
    results = json.loads((folder / "results.json").read_text())
    assert results["config"]["precision"] == precision
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    with zipfile.ZipFile(folder / "model.keras") as archive:
        assert b"mixed_" not in archive.read("config.json")
