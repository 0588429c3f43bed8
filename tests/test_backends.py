"""The layers' own tests once more on the JAX backend, which must be chosen before Keras is imported."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest

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
