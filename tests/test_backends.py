"""The layers' own tests once more on the JAX backend, which must be chosen before Keras is imported, and a
short run of each article on both backends and in each precision."""

import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from tests.articles import CASES, ROOT, run

LAYERS = sorted(path.stem for path in (ROOT / "common").glob("*.py") if path.stem != "__init__")
ORACLES = ("definition or loop or enumeration or jacobian or inverse_undoes or numpy or closed_form or "
           "formula or padding or float32_under_any_policy or sigma or svd")
ALL = pytest.param("test", marks=pytest.mark.slow)
ELSEWHERE = [("tensorflow", "mixed_bfloat16"), ("tensorflow", "mixed_float16"), ("jax", "float32"),
             ("jax", "mixed_bfloat16"), ("jax", "mixed_float16")]


@pytest.mark.jax
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the whole suite is running on JAX already")
@pytest.mark.parametrize("names", [ORACLES, ALL], ids=["oracles", "all"])
@pytest.mark.parametrize("layer", LAYERS)
def test_layers_on_jax(layer, names):
    """make test-jax: the comparisons with the oracles; make test-slow: all."""
    command = [sys.executable, "-m", "pytest", "-k", names, str(ROOT / f"tests/common/test_{layer}.py")]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("backend, precision", ELSEWHERE)
@pytest.mark.parametrize("article", [article for article, cases in CASES.items() if cases.BACKENDS])
def test_a_short_run_of_each_article(tmp_path, article, backend, precision):
    """On TensorFlow in float32: test_scripts.py. What the runs learn on both: benchmarks/backends.py."""
    options = ["--smoke", "--precision", precision, "--out", tmp_path]
    result = run(f"{article}/train.py", *options, KERAS_BACKEND=backend)
    assert f"keras on {backend}" in result.stdout
    folder, = tmp_path.glob("*/*")
    results = json.loads((folder / "results.json").read_text())
    assert results["config"]["precision"] == precision
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    with zipfile.ZipFile(folder / "model.keras") as archive:
        assert b"mixed_" not in archive.read("config.json")
