"""The layers' own tests once more on the JAX backend, which must be chosen before Keras is imported."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest

TESTS = pathlib.Path(__file__).resolve().parent / "common"
LAYERS = ["test_latent.py", "test_flow.py", "test_crf.py", "test_gated_conv.py", "test_capsule.py",
          "test_spectral.py"]
QUICK = "not capsule_network or zeros"     # a whole network with EM routing compiles for half a minute at a time


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the whole suite is running on JAX already")
def test_layers_on_jax():
    result = subprocess.run([sys.executable, "-m", "pytest", "-k", QUICK, *(str(TESTS / name) for name in LAYERS)],
                            env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]
