"""The layers' own tests once more on JAX and on PyTorch, which must be chosen before Keras is imported, and a
short run of each article on each backend and in each precision."""

import importlib.util
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
LAYER_TESTS = [f"common/test_{layer}.py" for layer in LAYERS]
MORE_TESTS = ["common/test_contract.py", "common/test_crf_contract.py", "common/test_crf_partial.py",
              "gan/test_encoders.py", "test_copyable.py"]
ORACLES = ("definition or loop or enumeration or jacobian or inverse_undoes or numpy or closed_form or "
           "formula or padding or float32_under_any_policy or sigma or svd")
WITHOUT_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None,
                                   reason="torch is not installed; make test-torch installs it")
SHARES = 4                      # processes of a backend: two for each core, so that none waits for long
ON_JAX, ON_TORCH = [pytest.mark.jax], [pytest.mark.torch, WITHOUT_TORCH]
ELSEWHERE = [("tensorflow", "mixed_bfloat16"), ("tensorflow", "mixed_float16"), ("jax", "float32"),
             ("jax", "mixed_bfloat16"), ("jax", "mixed_float16")]
ELSEWHERE += [pytest.param("torch", precision, marks=WITHOUT_TORCH)
              for precision in ("float32", "mixed_bfloat16", "mixed_float16")]


def suites():
    """Which tests run on which backend: (backend, files, names of tests, marks of tests).

    make test-jax compares with the oracles; make test-torch runs all but what torch.compile compiles; make
    test-slow runs all. Several files share a process, which takes as long to start as many of them to run.
    """
    files = LAYER_TESTS + MORE_TESTS
    for i in range(SHARES):
        yield pytest.param("jax", LAYER_TESTS[i::SHARES], ORACLES, "not slow", marks=ON_JAX,
                           id=f"jax-oracles-{i}")
        yield pytest.param("torch", files[i::SHARES], "test", "not slow", marks=ON_TORCH, id=f"torch-{i}")
        yield pytest.param("jax", files[i::SHARES], "test", "not slow", marks=[*ON_JAX, pytest.mark.slow],
                           id=f"jax-all-{i}")
    compiled = [file for file in files if "COMPILED" in (ROOT / "tests" / file).read_text()]
    yield pytest.param("torch", compiled, "True", "slow", marks=[*ON_TORCH, pytest.mark.slow],
                       id="torch-compiled")


@pytest.mark.parametrize("backend, files, names, marks", list(suites()))
def test_layers_on_another_backend(backend, files, names, marks):
    if keras.backend.backend() == backend:
        pytest.skip("the whole suite is running on this backend already")
    paths = [str(ROOT / "tests" / file) for file in files]
    command = [sys.executable, "-m", "pytest", "-m", marks, "-k", names, *paths]
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}    # a worker for each core
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("backend, precision", ELSEWHERE)
@pytest.mark.parametrize("article", [article for article, cases in CASES.items() if cases.BACKENDS])
def test_a_short_run_of_each_article(tmp_path, article, backend, precision):
    """On TensorFlow in float32: test_scripts.py. What the runs learn on each: benchmarks/backends.py."""
    options = ["--smoke", "--precision", precision, "--out", tmp_path]
    result = run(f"{article}/train.py", *options, KERAS_BACKEND=backend)
    assert f"keras on {backend}" in result.stdout
    folder, = tmp_path.glob("*/*")
    results = json.loads((folder / "results.json").read_text())
    assert results["config"]["precision"] == precision
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    with zipfile.ZipFile(folder / "model.keras") as archive:
        assert b"mixed_" not in archive.read("config.json")
